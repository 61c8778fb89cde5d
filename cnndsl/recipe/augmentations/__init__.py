"""The random changes of training samples that `augment` can name, one class in one file each."""
