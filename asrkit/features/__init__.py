"""Samples -> features, and what happens to features before a model sees them."""
