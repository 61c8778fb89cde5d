"""Turns a network into one with proven types, or says why there are none."""
