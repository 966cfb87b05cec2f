"""The steps of each request, from nodes to nodes."""
