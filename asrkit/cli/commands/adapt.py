"""Move a trained vocabulary to one speaker, room or microphone by a few recordings of known words ->
OUT/final.npz.

MAP draws each Gaussian towards its own frames, the more the more of them it has: best where all words were
recorded. MLLR moves all Gaussians by one affine transform: for recordings of a part of the words, as the
others move, too. OUT serves decode and recognize like any model; OUT/adapt.jsonl has the objective of every
word and iteration.
"""

import json
from dataclasses import replace
from pathlib import Path

from asrkit import families
from asrkit.audio.endpoint import EndpointConfig
from asrkit.cli.commands.train import too_short
from asrkit.config import add_options, from_args
from asrkit.errors import DataError
from asrkit.io.features import ENDPOINT_RECORD, ReadConfig, check_skipped, read_features, read_record, summary
from asrkit.io.files import atomic_write, remove
from asrkit.io.model_file import read_model, write_model
from asrkit.io.store import Store
from asrkit.words.adaptation import MAP, MLLR, AdaptConfig, adapt_words

EXAMPLE = "example: asrkit adapt exp/chmm data/anna exp/chmm_anna --method map --tau 10"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument(
        "dir",
        metavar="DIR",
        help="data directory with feats.scp and text: some recordings of some of EXP's words",
    )
    parser.add_argument("out", metavar="OUT", help="folder for the adapted model")
    add_options(parser, ReadConfig)
    add_options(parser, AdaptConfig)


def main(args):
    read, config, out = from_args(ReadConfig, args), from_args(AdaptConfig, args), Path(args.out)
    model_set = read_model(args.exp)
    check_movable(model_set, config.method, args.exp)
    features = read_features(
        args.dir, need_text=True, frontend=model_set.frontend, allow_pipes=read.allow_pipes
    )
    store = Store(features, out, model_set.observe)
    sources, skipped = word_sources(store, model_set)
    skipped = {**features.skipped, **skipped}
    used = len(store.utts) + len(features.skipped) - len(skipped)
    check_skipped(skipped, read.max_skipped, "adapted to", used)
    if not used:
        raise DataError(
            f"{features.data.path / 'text'}: no utterance says a word of {args.exp} and can be used (record some)"
        )
    num_blocks = model_set.frontend.transform.delta_order + 1
    models, entries = adapt_words(model_set.models, sources, config, model_set.family_config, num_blocks)
    # The adapted model hears as these recordings were cut, and where nobody cut them, as those of its
    # training were.
    endpoint = (
        read_record(EndpointConfig, features.data.path / ENDPOINT_RECORD) or model_set.frontend.endpoint
    )
    settings = {
        **model_set.config,
        "adapt": [*model_set.config.get("adapt", []), {**vars(config), "data_hash": store.data_hash}],
    }
    # of an earlier adaptation: must not stand beside the new log if writing breaks off
    remove(out / "final.npz")
    with atomic_write(out / "adapt.jsonl") as stream:
        stream.writelines(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)
    write_model(
        out / "final.npz",
        replace(
            model_set, models=models, config=settings, frontend=replace(model_set.frontend, endpoint=endpoint)
        ),
    )
    report(entries, [word for word in models if word not in sources], config)
    print(f"adapted {len(sources)} of {len(models)} words, {summary('to', used, skipped)} utterances")
    return 0


def check_movable(model_set, method, path):
    """A DataError where the method is not for models of this family."""
    if families.load(model_set.family).OBSERVATIONS == "codes" and method != MAP:
        raise DataError(
            f"{path}: {method} moves the means of Gaussians, a {model_set.family} has none (take {MAP})"
        )


def word_sources(store, model_set):
    """dict of word to BlockSource, in the model's order, and why the other utterances can't be used."""
    utts, skipped = {word: [] for word in model_set.words}, {}
    for utt in store.utts:
        word = store.words[utt]
        if word in utts:
            utts[word].append(utt)
        else:
            skipped[utt] = f"the model has no word '{word}'"
    sources = {}
    for word, own in utts.items():
        if own:
            source = store.source(own)
            short = too_short(source, model_set.models[word])
            skipped.update(short)
            if len(short) < len(own):
                sources[word] = source
    return sources, skipped


def report(entries, silent, config):
    """The words that have no recordings, and Kaldi's line before and after."""
    if silent:
        names = ", ".join(silent[:5]) + (", ..." if len(silent) > 5 else "")
        print(
            f"{len(silent)} words ({names}) have no recordings: "
            + (
                "moved with the others"
                if MLLR in config.method
                else f"left behind (--method {MLLR} moves them, too)"
            )
        )
    first, last = ({entry["word"]: entry for entry in some}.values() for some in (entries[::-1], entries))
    frames = sum(entry["frames"] for entry in first)
    before, after = (sum(entry["log_like"] for entry in some) / max(frames, 1) for some in (first, last))
    print(f"Overall log-likelihood per frame was {before:.5f}, is {after:.5f} over {frames} frames.")
