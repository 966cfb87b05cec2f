"""Intensities: statistics, windows and normalisation to 0...1."""
