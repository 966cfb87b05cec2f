"""Layouts of weight files that others wrote: how their names become ours, and which network they are of."""
