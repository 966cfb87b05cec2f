"""Labels and segmentations of the scene's volumes, as a training set."""
