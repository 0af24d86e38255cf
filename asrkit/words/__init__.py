"""Trained words: training, decoding, adaptation. Arrays in, arrays out, no paths."""
