"""Turns a network and its recipe into one graph that does a whole training step."""
