"""Pronunciation: mixtures of phones and what they say. Arrays in, arrays out, no paths."""
