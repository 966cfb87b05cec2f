"""Trivial rivals: what a model has to beat before it can be said to see anything in the images."""
