"""Verbs on server and jobs: serve, jobs, doctor, demo."""
