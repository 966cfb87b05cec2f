"""Dense contrastive embedding of anatomy in radiographs."""
