"""Dataset specs: their form, files, checks and reports."""
