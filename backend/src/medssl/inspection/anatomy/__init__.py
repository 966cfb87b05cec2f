"""Equal anatomy by patch descriptors: correspondence, similarity, co-segmentation, patch map, landmarks."""
