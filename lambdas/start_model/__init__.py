"""Brings the model to RUNNING, whatever it is doing when we come."""
