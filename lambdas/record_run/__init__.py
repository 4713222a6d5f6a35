"""Opens a run by taking the lease, and closes it by writing its receipt and giving the lease back."""
