"""What all rooms stand on: errors, files, protocol, requests, registries. Standard library only at import."""
