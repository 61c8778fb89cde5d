"""Turns syntax trees into a network: files loaded, names resolved, blocks and loops expanded."""
