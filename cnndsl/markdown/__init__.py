"""Specs in Markdown: the fenced `cnn` blocks of a page, checked where they stand."""
