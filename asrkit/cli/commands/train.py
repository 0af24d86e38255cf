"""Train a model for every word of a data directory -> EXP/final.npz and EXP/train.jsonl.

Each utterance says one word (DIR/text). Re-estimation goes on until the total log-probability stops rising;
train.jsonl has one line an iteration. Equal data, settings and seed give a byte-equal final.npz, whatever
--nj. A dhmm uses EXP/codebook.npz where `asrkit train-codebook` has made one, and makes one otherwise.
"""

import functools
import json
import logging
import time
from dataclasses import replace
from pathlib import Path

from asrkit import families
from asrkit.cli.commands.train_codebook import make_codebook
from asrkit.config import add_flag, add_options, from_args
from asrkit.errors import DataError
from asrkit.features.frontend import TransformConfig
from asrkit.features.warp import WarpConfig
from asrkit.io.features import ReadConfig, check_skipped, read_features, summary
from asrkit.io.files import atomic_write, c_sorted, remove
from asrkit.io.model_file import ModelSet, read_codebook, write_model
from asrkit.io.store import Store
from asrkit.models.codebook import CodebookConfig
from asrkit.runtime import ordered_map
from asrkit.words.training import TrainConfig, train_beside

EXAMPLE = "example: asrkit train data/train exp/chmm --family chmm --config conf/chmm.conf --nj 2"

GROUP = 32_768  # frames of the words that one process trains together
FEW = 5  # recordings of a word below which a model is hardly one

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("exp", metavar="EXP", help="folder for the model")
    add_flag(parser, "nj", 1, "processes; words are trained side by side", minimum=1)
    add_settings(parser)


def add_settings(parser):
    """What decides about the models: `crossval`, `learning-curve` and `tune` take the same."""
    parser.add_argument("--family", required=True, choices=families.names(), help="kind of model")
    add_options(parser, ReadConfig)
    add_options(parser, TrainConfig, "training")
    add_options(parser, TransformConfig, "features")
    add_options(parser, WarpConfig, "features")


def add_chosen_arguments(parser, argv):
    """The options of the family that the command line names; without one, --help says how to see them."""
    family = chosen_family(argv)
    if family:
        add_options(parser, families.load(family).Config, family)
    else:
        parser.epilog += "\noptions of a family: asrkit train --family NAME --help"


def chosen_family(argv):
    """The family that the command line names, or None."""
    chosen = [b for a, b in zip(argv, argv[1:]) if a == "--family"] + [
        word.partition("=")[2] for word in argv if word.startswith("--family=")
    ]
    return chosen[-1] if chosen and chosen[-1] in families.names() else None


def main(args):
    train_together([args])
    return 0


def train_together(runs):
    """Train what each Namespace of a list asks for; they differ in EXP and the family's settings, and share
    what can be shared.
    """
    started = time.perf_counter()
    args = runs[0]
    features, store, family_config, train_config, codebook = prepare(args)
    configs = [family_config, *(family_settings(other, codebook) for other in runs[1:])]
    sources = word_sources(features, store)
    few = [word for word, source in sources.items() if sum(map(is_recording, source.utts)) < FEW]
    if few:
        log.warning("%d words have fewer than %d recordings (%s, ...): expect errors", len(few), FEW, few[0])
    train = functools.partial(train_group, args.family, configs, train_config)
    trained = [{} for _ in runs]
    for results in ordered_map(train, group_words(sources), jobs=args.nj, label="groups of words"):
        for whole, part in zip(trained, results, strict=True):
            whole.update(part)
            for word, (_, entries) in part.items():
                log.info(
                    "%s: %d iterations, %.3f a frame over %d utterances, %s",
                    word,
                    len(entries),
                    entries[-1]["per_frame"],
                    entries[-1]["utts"],
                    entries[-1]["ending"],
                )
    for own, config, results in zip(runs, configs, trained, strict=True):
        models = {word: model for word, (model, _) in results.items()}
        skipped = dict(features.skipped)
        for word, model in models.items():
            skipped.update(too_short(sources[word], model))
        used = sum(map(is_recording, store.utts)) + len(features.skipped) - len(skipped)
        check_skipped(skipped, from_args(ReadConfig, own).max_skipped, "trained on", used)
        whole = model_set(own.family, models, config, train_config, codebook, features, store.data_hash)
        lines = [line for _, entries in results.values() for line in entries]
        facts = {"seconds": round(time.perf_counter() - started, 3), "utts": used, "skipped": skipped}
        write_training(Path(own.exp), whole, lines, facts, own.nj)
        report({line["word"]: line for line in lines}, config)
        copies = f", {len(features.warps)} warped copies of each" if features.warps else ""
        print(f"trained {len(models)} words, {summary('on', used, skipped)} utterances{copies}")


def write_training(exp, trained, lines, facts, jobs):
    """Write the model, and beside it what it must not know: its log, how long it took, with how many jobs."""
    # of an earlier training: must not stand beside the new log if writing breaks off
    remove(exp / "final.npz")
    with atomic_write(exp / "train.jsonl") as stream:
        stream.writelines(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    with atomic_write(exp / "num_jobs") as stream:
        stream.write(f"{jobs}\n")
    with atomic_write(exp / "train.json") as stream:
        json.dump(facts, stream, sort_keys=True)
        stream.write("\n")
    write_model(exp / "final.npz", trained)
    removed = sum(line["removed"] for line in lines)
    if removed:
        print(
            f"{removed} Gaussians had too few frames and were removed (train.jsonl has them by word and state)"
        )


def prepare(args):
    """Features, settings and codebook of a training: what `train` and `init-model` share."""
    train_config, read = from_args(TrainConfig, args), from_args(ReadConfig, args)
    family_settings(args)  # refused before anything is read
    features = read_features(
        args.dir,
        need_text=True,
        transform_config=from_args(TransformConfig, args),
        allow_pipes=read.allow_pipes,
        warps=from_args(WarpConfig, args).factors,
    )
    codebook = None
    if families.load(args.family).OBSERVATIONS == "codes":
        codebook = find_codebook(Path(args.exp), features, train_config.seed, read.max_skipped)
    store = Store(features, args.exp, codebook.quantize if codebook else None)
    check_skipped(features.skipped, read.max_skipped, "read", len(store.utts))
    return features, store, family_settings(args, codebook), train_config, codebook


def family_settings(args, codebook=None):
    config = from_args(families.load(args.family).Config, args)
    return config if codebook is None else replace(config, num_symbols=codebook.size)


def model_set(family_name, models, family_config, train_config, codebook, features, data_hash):
    """Everything that goes into the model file; the number of jobs does not."""
    config = {"family": vars(family_config), "train": vars(train_config), "warps": ",".join(features.warps)}
    return ModelSet(family_name, tuple(models), models, config, codebook, features.frontend, data_hash)


def report(last, family_config):
    """Say what was reduced or floored, and Kaldi's line; `last` is each word's last line of the log."""
    asked = getattr(family_config, "num_states", 1) + 2 * getattr(family_config, "silence", False)
    if getattr(family_config, "frames_per_state", 0):
        asked = 0  # as many as each word's length gives
    fewer = {word: line["states"] for word, line in last.items() if line["states"] < asked}
    if fewer:
        print(
            f"{len(fewer)} words have {min(fewer.values())} to {max(fewer.values())} states, not {asked}: their recordings are too short for more"
        )
    wanted = getattr(family_config, "num_gauss", 0)
    a_state = hasattr(family_config, "growth")
    poorer = [
        word for word, line in last.items() if line["gaussians"] < wanted * (line["states"] if a_state else 1)
    ]
    if poorer:
        names = ", ".join(poorer[:5]) + (", ..." if len(poorer) > 5 else "")
        print(
            f"{len(poorer)} words ({names}) have fewer Gaussians than {wanted}{' a state' if a_state else ''}: too few frames for more"
        )
    floored = sum(line["floored"] for line in last.values())
    if floored:
        print(f"{floored} variances stand on their floor (train.jsonl has them by word and state)")
    frames = sum(line["frames"] for line in last.values())
    total = sum(line["objective"] for line in last.values())
    print(f"Overall log-likelihood per frame is {total / frames:.5f} over {frames} frames.")


def train_group(family_name, family_configs, train_config, group):
    indices, sources = group
    return train_beside(family_name, family_configs, train_config, sources, indices)


def group_words(sources):
    """Words that are trained together: [(dict of word to its index, dict of word to its source)].

    Their utterances advance abreast, which is quicker than word by word; a group has about `GROUP` frames.
    """
    groups, frames = [], GROUP
    for index, (word, source) in enumerate(sources.items()):
        if frames >= GROUP:
            groups.append(({}, {}))
            frames = 0
        groups[-1][0][word], groups[-1][1][word] = index, source
        frames += source.lengths.sum()
    return groups


def find_codebook(exp, features, seed, max_skipped):
    """EXP/codebook.npz if it fits the features, or a new one with the default settings."""
    if not (exp / "codebook.npz").exists():
        print(
            f"no {exp / 'codebook.npz'}: making one with the default settings (asrkit train-codebook takes others)"
        )
        return make_codebook(features, CodebookConfig(), seed, exp, max_skipped)
    codebook, frontend = read_codebook(exp / "codebook.npz")
    if frontend != features.frontend:
        raise DataError(
            f"{exp / 'codebook.npz'}: made of features of another kind (delete it, or asrkit train-codebook again)"
        )
    return codebook


def word_sources(features, store):
    """dict of word to BlockSource, in C-locale order of the words."""
    utts = {}
    for utt in store.utts:
        utts.setdefault(store.words[utt], []).append(utt)
    missing = sorted({features.data.text[utt] for utt in features.skipped} - set(utts))
    if missing:
        raise DataError(
            f"{features.data.path / 'text'}: word '{missing[0]}' has no utterance that can be used (record it again)"
        )
    return {word: store.source(utts[word]) for word in c_sorted(utts)}


def too_short(source, model):
    """Utterances with fewer frames than the shortest path through the model: dict of utt to reason."""
    shortest = model.shortest
    return {
        utt: f"{length} frames < {shortest} states"
        for utt, length in zip(source.utts, source.lengths, strict=True)
        if length < shortest and is_recording(utt)
    }


def is_recording(utt):
    """Whether an utterance of a FeatureSet is one of the data directory, not a warped copy."""
    return " " not in utt
