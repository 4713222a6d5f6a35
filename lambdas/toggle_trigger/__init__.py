"""Opens and closes the queue's trigger on the analysis function: its Lambda event source mapping."""
