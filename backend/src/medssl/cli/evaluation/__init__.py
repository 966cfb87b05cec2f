"""Verbs that apply and evaluate: segment, predict, embed, evaluate."""
