"""What several functions share: configuration, telemetry, AWS clients, the lease and the run record."""
