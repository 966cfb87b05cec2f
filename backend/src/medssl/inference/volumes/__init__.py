"""Whole volumes through windows: segmentation and restoration."""
