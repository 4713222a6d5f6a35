"""What the tests stand on: the emulator, the local stack, the simulation, the audit of permissions, the corpus."""
