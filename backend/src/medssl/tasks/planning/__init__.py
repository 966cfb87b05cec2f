"""From what a training set is to how it is trained on: fingerprint, pooling, budget, plan."""
