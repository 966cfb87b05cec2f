"""What is watched in every panel test: what is cut, what lies over what, who observes, who complains, what blocks."""
