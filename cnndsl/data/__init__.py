"""Reads pictures and arrays and prepares them as a spec says."""
