"""Studies: many runs of tasks as one job. A comparison of arms over seeds and sizes, and a batch of any jobs."""
