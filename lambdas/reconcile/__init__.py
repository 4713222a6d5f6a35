"""Finds the orphans, which are images in the source bucket without a message, and queues them."""
