"""Dataset specs in YAML: where images and tables are, whose they are, what the labels mean."""
