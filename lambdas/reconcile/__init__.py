"""Finds the images in the source bucket that have no message, and queues them."""
