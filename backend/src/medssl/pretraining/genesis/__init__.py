"""Models Genesis: restoring distorted sub-volumes."""
