"""Turns networks into diagrams: structure, then layout, then a picture or a text."""
