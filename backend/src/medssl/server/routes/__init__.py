"""The server's routes, a file per resource."""
