"""The same anatomy in two volumes: click to find, and places found in both."""
