"""Commands for operators: show a deployment, send dead letters back, queue the images that have no message."""
