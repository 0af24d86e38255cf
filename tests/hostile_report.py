"""A small data directory whose names would be markup, cross-validated by two systems, with some labels that are wrong: for tests of its report."""

import soundfile
from command import MFCC, asrkit
from synthetic import RATE_HZ, word_samples

from asrkit.io.files import write_table

WORDS = {"one": "<one>", "two": "\"two'&amp;", "three": "three"}  # as they are labelled
SPEAKERS = ("anna", "bert", "</script><img/src=x/onerror=alert(1)>")
MENDED = {"0one1": "three", "1two2": "<one>"}  # these recordings' labels say something else
SYSTEMS = {
    "chmm": ["--num-states=3", "--num-gauss=1", "--max-iters=3"],
    "gmm": ["--num-gauss=1", "--max-iters=2"],
}


def utt_name(key):
    """A name that no page must take for an element."""
    return f"{key}<img/src=x/onerror=alert('{key}')>" if key.endswith("1") else key


def write_world(top):
    """top/data, and top/chmm and top/gmm, cross-validated and scored."""
    import numpy as np

    tables = {"wav.scp": {}, "text": {}, "utt2spk": {}}
    (top / "wavs").mkdir()
    for s, speaker in enumerate(SPEAKERS):
        for word, label in WORDS.items():
            for take in range(4):
                key = f"{s}{word}{take}"
                samples = word_samples(word, np.random.default_rng([s, len(word), take]), 100 + 60 * s)
                soundfile.write(top / "wavs" / f"{key}.wav", samples, RATE_HZ)
                tables["wav.scp"][utt_name(key)] = str(top / "wavs" / f"{key}.wav")
                tables["text"][utt_name(key)] = MENDED.get(key, label)
                tables["utt2spk"][utt_name(key)] = speaker
    (top / "data").mkdir()
    for name, table in tables.items():
        write_table(top / "data" / name, dict(sorted(table.items(), key=lambda item: item[0].encode())))
    asrkit("compute-mfcc", top / "data", *MFCC)
    for family, options in SYSTEMS.items():
        asrkit("crossval", top / "data", top / family, "--family", family, "--folds=2", "--warps=", *options)
        asrkit("score", top / "data", top / family)
    return top
