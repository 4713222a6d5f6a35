"""`make bench`: what a pile of images costs, how busy the model is kept, and where the milliseconds go."""
