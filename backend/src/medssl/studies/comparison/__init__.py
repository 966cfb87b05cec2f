"""A comparison: arms x sizes x seeds as jobs on the same patients."""
