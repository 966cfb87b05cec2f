"""Datasets, from their description to training samples; imports go downwards only:

`samples` (public sample data) > `crops` (what a loader draws) > `cache` (volumes and radiographs on disk) > `catalog` (images
with patient, split, labels) > `spec` (dataset specs, read as columns) > `entry` (one image).
"""
