"""Verbs on data and models: checks, dataset specs, samples, weights, methods."""
