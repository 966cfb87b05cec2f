"""What is in a training set, what a training would see of it, and how it would be trained."""
