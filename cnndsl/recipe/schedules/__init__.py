"""The schedules of the learning rate that `schedule` can name, one class in one file each."""
