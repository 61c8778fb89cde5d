"""Turns measurements into figures."""
