"""Results as MRML nodes beside their source."""
