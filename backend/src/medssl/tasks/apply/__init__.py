"""The task apply: a model over many images, resumable."""
