"""Reverse-mode differentiation of the op graph: a forward graph in, its gradients behind it."""
