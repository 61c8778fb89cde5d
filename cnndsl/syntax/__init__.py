"""Turns text into a syntax tree, and a syntax tree back into text."""
