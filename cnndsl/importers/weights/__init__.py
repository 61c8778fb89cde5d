"""Weights that other tools wrote, as weights of a spec.

A reader for each format gives a :class:`~cnndsl.importers.weights.source.WeightsSource`: layers
with their tensors, whose numbers are read when they are wanted. ``matching`` pairs these with the
layers of a network, ``pairing`` says how the numbers of each come into our layout.
"""
