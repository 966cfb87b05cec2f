"""Similar cases: an index of embeddings."""
