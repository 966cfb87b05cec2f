"""A comparison's report: HTML, plots, tables for papers, methods text."""
