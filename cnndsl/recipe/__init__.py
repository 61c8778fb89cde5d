"""What training is made of: settings, losses, optimizers, schedules, augmentations."""
