"""Demonstrations on public and simulated data."""
