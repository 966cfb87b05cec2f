"""Which image is worth labelling next: descriptions of images, and their ranking."""
