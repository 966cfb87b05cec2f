"""What is in a training set and what a method would see of it, before anything is trained."""
