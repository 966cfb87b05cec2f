"""Probabilities of classifiers, probes and Ark heads."""
