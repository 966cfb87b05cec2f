"""The HTTP server over one home folder; imports neither torch nor SimpleITK."""
