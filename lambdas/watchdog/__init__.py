"""Stands outside the workflow: stops the model, closes the trigger and frees the lease of a run that is gone."""
