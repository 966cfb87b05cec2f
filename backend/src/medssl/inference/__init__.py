"""Models applied to images: loading and keeping warm, patch grids, embeddings."""
