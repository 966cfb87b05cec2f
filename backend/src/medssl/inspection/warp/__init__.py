"""One radiograph bent onto another: pairs of points, a thin-plate spline through them, what it does to the image."""
