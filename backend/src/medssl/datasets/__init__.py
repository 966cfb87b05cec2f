"""Training sets: dataset specs, catalogues, cache, crops, public samples."""
