"""The layers, one class each, one file per family."""
