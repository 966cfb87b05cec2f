"""What is known of a foreign file before any library parses its voxels: header, place, neighbours, checksum."""
