"""PEAC: patch embeddings of anatomical consistency."""
