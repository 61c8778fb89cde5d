"""Reads training data, one file per format."""
