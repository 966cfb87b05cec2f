"""Segmentation networks of other libraries under the face of ours."""
