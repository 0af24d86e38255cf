"""Invented speech: words made of vowel-like harmonics and noise, quick to make and easy to tell apart."""

import numpy as np
import soundfile

RATE_HZ = 8000
# Formant frequencies in Hz (or "s" for a hiss) of the parts each word is made of.
WORDS = {
    "one": [(300, 2200), (700, 1200)],
    "two": ["s", (300, 800)],
    "three": [(700, 1200), (300, 2200), "s"],
    "four": [(500, 1000), (400, 1900), (300, 800)],
}


def word_samples(word, rng, pitch_hz=120.0, pad_s=0.0):
    """float32 samples of one utterance; parts vary in length, pitch and level."""
    parts = []
    for part in WORDS[word]:
        t = np.arange(int(RATE_HZ * rng.uniform(0.1, 0.18))) / RATE_HZ
        envelope = np.sin(np.pi * np.arange(len(t)) / len(t)) ** 0.5
        if part == "s":
            sound = np.diff(rng.standard_normal(len(t) + 1)) * 0.15
        else:
            f0 = pitch_hz * rng.uniform(0.95, 1.05)
            harmonics = np.arange(1, int(3600 / f0)) * f0
            gain = sum(
                np.exp(-(((harmonics - formant * rng.uniform(0.97, 1.03)) / 150) ** 2)) for formant in part
            )
            sound = (np.sin(2 * np.pi * np.outer(t, harmonics)) * gain).sum(axis=1) * 0.2
        parts.append(sound * envelope)
    sound = np.concatenate(parts) * rng.uniform(0.6, 1.0)
    silence = np.zeros(int(pad_s * RATE_HZ))
    sound = np.concatenate([silence, sound, silence])
    return (sound + rng.standard_normal(len(sound)) * 0.002).astype(np.float32)


def write_words(
    folder, name, words=("one", "two", "three"), speakers=("anna", "bert"), takes=range(6), pad_s=0.0
):
    """Recordings `folder / name.format(word=..., speaker=..., take=...)`."""
    for s, speaker in enumerate(speakers):
        for word in words:
            for take in takes:
                rng = np.random.default_rng([s, sorted(WORDS).index(word), take])
                path = folder / name.format(word=word, speaker=speaker, take=take)
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, word_samples(word, rng, 100 + 60 * s, pad_s), RATE_HZ)
    return folder
