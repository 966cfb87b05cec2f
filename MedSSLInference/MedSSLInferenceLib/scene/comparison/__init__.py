"""Nodes of a comparison of radiographs: points, heat maps, parts, patch map."""
