"""Turns lists and ranges of values into many runs of training, and their results into a table."""
