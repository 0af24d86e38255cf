"""Recognise recordings: one line `file word loglik margin` each.

loglik is the natural log-likelihood of the recording under the winning word, margin its lead over the
runner-up; it grows with the recording's length and is no confidence: a word that no model knows, or noise,
gets a word, too. The speech is found in the recording first, with the settings of the training where that
looked for it (--endpoint false takes all of the recording). A recording in which none is found, or that is
too short for every word, gets the word `-`, the reason on stderr, and exit status 1.
"""

import sys

from asrkit.audio.endpoint import EndpointConfig, detect_endpoints
from asrkit.cli.commands.compute_mfcc import silence_reason
from asrkit.config import add_flag
from asrkit.errors import DataError
from asrkit.features.frontend import compute_mfcc, transform
from asrkit.io.audio import read_audio
from asrkit.io.features import unusable
from asrkit.io.model_file import read_model
from asrkit.words.decoding import Scorer, best_words, no_path_reason

EXAMPLE = "example: asrkit recognize exp/chmm one.wav two.wav"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("wavs", metavar="WAV", nargs="+", help="recordings, one word each")
    add_flag(parser, "endpoint", True, "find the speech first")
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_flag(parser, "strict", False, "refuse recordings with several channels")
    add_flag(
        parser,
        "method",
        "viterbi",
        "score of a word: its best path, or the sum over all",
        choices=("viterbi", "forward"),
    )


def main(args):
    model_set = read_model(args.exp)
    if model_set.frontend.mfcc is None:
        raise DataError(
            f"{args.exp}: the model was trained on features that nobody said how to make; it can decode such features, "
            f"not recordings (train on features of asrkit compute-mfcc)"
        )
    if model_set.frontend.mfcc.num_ceps != model_set.frontend.dim:
        raise DataError(
            f"{args.exp}: the model was trained on stored features of {model_set.frontend.dim} dimensions, of a recording come "
            f"{model_set.frontend.mfcc.num_ceps} (train on features of asrkit compute-mfcc)"
        )
    endpoint = (model_set.frontend.endpoint or EndpointConfig()) if args.endpoint else None
    scorer, failed = Scorer(model_set, args.method), 0
    for path in args.wavs:
        try:
            feats = hear(path, model_set.frontend, endpoint, args.channel, args.strict)
            ((word, score, margin),) = best_words(model_set, scorer.scores([(path, feats)]))
            if word is None:
                raise DataError(
                    f"{path}: {no_path_reason(model_set, len(feats))} (the word was cut too short, or is not one)"
                )
            print(f"{path} {word} {score:.2f} {margin:.2f}", flush=True)
        except DataError as error:
            failed += 1
            print(f"{path} - -inf 0", flush=True)
            print(f"asrkit recognize: {error}", file=sys.stderr)
    return 1 if failed else 0


def hear(path, frontend, endpoint, channel, strict):
    """A recording as model features (T, D)."""
    rate_hz = frontend.mfcc.sample_rate_hz
    samples, own_rate = read_audio(path, rate=rate_hz, channel=channel, strict=strict)
    if own_rate < rate_hz:
        print(
            f"{path}: recorded at {own_rate} Hz, the model expects {rate_hz} Hz: its upper band is empty",
            file=sys.stderr,
        )
    if silence_reason(samples):
        raise DataError(f"{path}: {silence_reason(samples)} (check the microphone)")
    if endpoint is not None:
        ends = detect_endpoints(samples, rate_hz, endpoint)
        if ends is None:
            raise DataError(f"{path}: no speech found (--endpoint false takes the whole recording)")
        samples = samples[int(ends[0] * rate_hz) : int(ends[1] * rate_hz)]
    feats = compute_mfcc(samples, frontend.mfcc)
    if len(feats) and unusable(feats):
        raise DataError(f"{path}: {unusable(feats)} (record or convert it again)")
    if not len(feats):
        raise DataError(f"{path}: {len(samples) / rate_hz:.3f} s, shorter than one window")
    return transform(feats, frontend.transform)
