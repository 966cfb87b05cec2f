"""Which images train, validate and test: drawn by patient, kept, thinned out, checked for leaks."""
