"""Notebooks: `%load_ext cnndsl` makes a cell a spec, and a training run a curve that grows."""
