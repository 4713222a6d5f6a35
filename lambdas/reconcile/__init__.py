"""Finds the images in the source bucket that no message speaks for, and queues them again."""
