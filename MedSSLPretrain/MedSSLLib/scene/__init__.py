"""MRML nodes as the backend takes them: volumes and label maps."""
