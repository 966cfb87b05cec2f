"""The sections of the panel, and their common base."""
