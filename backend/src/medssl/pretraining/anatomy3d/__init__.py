"""Dense contrastive anatomy embedding of CT and MR volumes."""
