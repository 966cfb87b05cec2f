"""Inspections beside the labelling of images."""
