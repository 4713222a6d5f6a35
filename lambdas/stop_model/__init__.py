"""Brings a model that this system started to STOPPED, and sees it there."""
