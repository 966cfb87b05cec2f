"""The task classification: config, training, loss, results."""
