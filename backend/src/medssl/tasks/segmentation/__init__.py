"""The task segmentation: config, training, results."""
