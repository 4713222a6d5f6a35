"""The audit of permissions, judged itself."""
