"""Streams of invented words: noise, and words in it whose places are known."""

import numpy as np
from synthetic import RATE_HZ, WORDS, word_samples


def stream_of(words, rng, noise=0.002, gap_s=(0.35, 0.9), pitch_hz=120.0):
    """float32 samples, and (start, end) of each word in samples; a word may be an array of samples."""
    parts, places, count = [], [], 0
    for word in [*words, None]:
        parts.append(np.zeros(round(rng.uniform(*gap_s) * RATE_HZ)))
        count += len(parts[-1])
        if word is not None:
            parts.append(word if isinstance(word, np.ndarray) else word_samples(word, rng, pitch_hz))
            places.append((count, count + len(parts[-1])))
            count += len(parts[-1])
    samples = np.concatenate(parts)
    return (samples + noise * rng.standard_normal(len(samples))).astype(np.float32), places


def random_words(rng, count, words=tuple(WORDS)):
    return [words[index] for index in rng.integers(len(words), size=count)]
