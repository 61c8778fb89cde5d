"""The optimizers that `optimizer` can name, one class in one file each."""
