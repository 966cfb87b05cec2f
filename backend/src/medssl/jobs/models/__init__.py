"""The weights that a job is asked to begin with: where they are, and what to say where they are not."""
