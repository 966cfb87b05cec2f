"""One interval, one bootstrap by patient, tests of differences."""
