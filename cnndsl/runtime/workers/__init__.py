"""Processes that compute one thing together, and how they speak to each other."""
