"""What scenarios are made of: a driver of their steps, access to both panels, images and small models."""
