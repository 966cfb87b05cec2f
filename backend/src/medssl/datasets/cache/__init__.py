"""Images and label maps in compressed chunks: a random crop never reads a whole volume."""
