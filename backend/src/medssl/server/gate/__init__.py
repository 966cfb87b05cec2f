"""What a request has to pass before any route: a place, a known host, a token with its role and rate; and the audit log."""
