"""`RacePanel` and `queue_lab`: the person is the scheduler."""
