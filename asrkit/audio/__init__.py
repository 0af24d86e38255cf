"""Samples in, samples or times out."""
