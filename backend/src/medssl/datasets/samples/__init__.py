"""Public sample images, and radiographs simulated from them."""
