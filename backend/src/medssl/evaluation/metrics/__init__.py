"""Metrics of classification, segmentation and restored images; calibration and thresholds."""
