"""Requests to a server without I/O of their own, two transports, a blocking session. Slicer imports it."""
