"""The simulation at work: orders of events, long runs, the planner against it."""
