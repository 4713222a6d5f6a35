"""The main job on this machine, from nothing: `make demo`."""
