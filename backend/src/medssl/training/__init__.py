"""The training loop, checkpoints, optimisers, monitors, and what it asks of a method."""
