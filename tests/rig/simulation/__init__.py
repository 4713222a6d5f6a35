"""The real state machine and the real Lambda handlers in virtual time, in one process."""
