"""Turns a syntax tree into a network with proven shapes, or says why there is none."""
