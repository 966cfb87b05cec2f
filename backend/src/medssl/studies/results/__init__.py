"""A comparison's results: scores, differences, groups, verdicts."""
