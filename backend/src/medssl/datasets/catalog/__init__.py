"""Records of images from CSV, folder, scene or dataset spec: masks, labels, split, leakage checks."""
