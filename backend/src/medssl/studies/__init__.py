"""Studies: many runs of tasks as one job. A comparison of arms over seeds and sizes, an ensemble of folds, a batch of any jobs."""
