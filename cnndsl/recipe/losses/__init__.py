"""The losses that `loss` can name, one class in one file each."""
