"""Dense contrast of two views of one image: what methods in two and three dimensions share."""
