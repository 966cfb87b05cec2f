"""Predictions against labels: metrics with intervals, subgroups, tables. No drawing."""
