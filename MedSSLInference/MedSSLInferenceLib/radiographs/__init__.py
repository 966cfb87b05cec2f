"""The section that compares radiographs, with its tabs and live search."""
