"""Each role may do what was done with it, and nothing else: `python -m tests.rig.permissions`."""
