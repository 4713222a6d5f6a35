"""Every fault that we can produce, on the packaged zips: nothing is lost, and no model is left running."""
