"""Specs in the pages that other tools make: checked, highlighted, with their table and picture."""
