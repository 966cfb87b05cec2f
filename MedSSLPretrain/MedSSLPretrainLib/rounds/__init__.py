"""Rounds of labelling and training: which case is next, and what each round brought."""
