"""Several images of one place as the channels of one: brought onto one grid, and how well they lie on each other."""
