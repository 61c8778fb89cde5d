"""cnndsl: a language for convolutional networks, and its compiler."""
