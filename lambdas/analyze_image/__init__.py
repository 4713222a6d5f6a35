"""Labels images: reads S3 events from the queue, calls the model, and moves each image with its result."""
