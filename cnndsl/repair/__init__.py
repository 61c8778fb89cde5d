"""Turns failures into edits, each proved by checking the edited text."""
