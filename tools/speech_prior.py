#!/usr/bin/env python3
"""Write asrkit/io/speech_prior.json: what `asrkit teach` starts a new vocabulary from.

Of a model of the default front end, `asrkit train DIR EXP --family chmm` on words of many speakers at 8 kHz: the mean and variance of its
normalisation, and the mean and the covariance that the frames of its states have in common.
"""

import argparse
from dataclasses import replace

from asrkit.io.model_file import read_model
from asrkit.io.speech_prior import FILE, speech_prior_text
from asrkit.words.teaching import pool_of


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exp", help="folder of the model")
    parser.add_argument("about", help="a sentence: what it was made of")
    parser.add_argument("--out", default=FILE)
    args = parser.parse_args()
    vocabulary = read_model(args.exp)
    pool = pool_of(vocabulary.models, vocabulary.confidence.states)
    text = speech_prior_text(replace(vocabulary.frontend, endpoint=None), pool, args.about)
    with open(args.out, "w", encoding="utf-8") as stream:
        stream.write(text)


if __name__ == "__main__":
    main()
