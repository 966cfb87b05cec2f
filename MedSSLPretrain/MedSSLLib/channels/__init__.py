"""Several volumes of the scene as the channels of one case."""
