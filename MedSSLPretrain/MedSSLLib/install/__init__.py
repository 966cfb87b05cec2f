"""Making an environment for the backend: looking at the computer, planning, installing, repairing, removing."""
