"""Pretrained backbones with a head for a task."""
