"""Pictures; matplotlib is in this room alone."""
