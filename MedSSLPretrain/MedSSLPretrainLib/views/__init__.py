"""Charts and previews of a training."""
