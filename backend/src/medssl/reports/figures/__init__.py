"""Figures as PNG: one palette, one figure-to-PNG."""
