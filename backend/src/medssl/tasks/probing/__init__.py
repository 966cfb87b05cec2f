"""The task probing: linear probe or nearest neighbours on frozen embeddings."""
