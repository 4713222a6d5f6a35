"""What people run at a desk: look at a deployment, put back what was given up, queue what has no message."""
