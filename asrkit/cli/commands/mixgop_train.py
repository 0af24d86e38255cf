"""Train a mixture for each phone on typical speech -> EXP/final.npz and EXP/train.jsonl (MixGoP).

DIR has the features, ALI says which phone is spoken when (phones.ctm). A token of a phone is its centre
frame, the mean of its frames or each of them; of many, --max-tokens are drawn. Phones with fewer than
--min-tokens get no model and are named.
--baselines trains what MixGoP is compared with on the same drawn tokens; `asrkit mixgop score` then has their
columns, too: logistic, one regression over all phones that have a model (its posteriors are corrected for
--max-tokens: its prior is the phones' shares of all training tokens, not of the drawn); knn, the tokens
themselves; svm, a one-class support vector machine a phone. With --ratings the training sees only what
listeners found good, with --min-speaker-rating only speakers whose mean is that high.
--lda-dim first maps the tokens to the directions in which the phones lie furthest apart. The defaults are the
paper's (Choi et al., 2025). Equal data, settings and seed give a byte-equal final.npz, whatever --nj.
"""

import functools
import hashlib
import json
import logging
import math
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from asrkit.config import add_flag, add_options, from_args, nearest
from asrkit.errors import DataError, UsageError
from asrkit.features.frontend import TransformConfig
from asrkit.io.alignment import read_alignment
from asrkit.io.features import ReadConfig, check_skipped, read_features, summary
from asrkit.io.files import atomic_write, c_sorted, remove
from asrkit.io.mixgop_file import PhoneSet, write_mixgop
from asrkit.io.ratings import read_ratings
from asrkit.phones.baselines import MODELS, fit_baselines
from asrkit.phones.lda import Lda
from asrkit.phones.mixgop import MixgopConfig, train_phone
from asrkit.phones.tokens import REASONS, Reservoir, cut_tokens, phone_rng
from asrkit.runtime import ordered_map

EXAMPLE = (
    "example: asrkit mixgop train data/native ali/native exp/mixgop --cmvn speaker --pooling mean --nj 2"
)

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("ali", metavar="ALI", help="folder with phones.ctm, or a CTM file")
    parser.add_argument("exp", metavar="EXP", help="folder for the model")
    parser.add_argument(
        "--ratings",
        metavar="FILE",
        help="ratings of phones, as `asrkit mixgop evaluate` reads them: train on those rated well",
    )
    add_flag(parser, "min-rating", 2.0, "least rating of a phone to train on, with --ratings")
    add_flag(
        parser, "min-speaker-rating", -math.inf, "least mean rating of a speaker to train on, with --ratings"
    )
    add_flag(
        parser,
        "baselines",
        "none",
        f"what is trained beside the mixtures: none, all, or some of {','.join(MODELS)}, with commas between",
    )
    add_frame_shift(parser)
    add_flag(parser, "nj", 1, "processes; phones are trained side by side", minimum=1)
    add_options(parser, ReadConfig)
    add_options(parser, MixgopConfig, "training")
    add_options(parser, TransformConfig, "features")


def add_frame_shift(parser):
    add_flag(
        parser,
        "frame-shift",
        0.0,
        "seconds from frame to frame; 0: as DIR says (frontend.conf, frame_shift), else 0.01",
        minimum=0,
        maximum=1,
    )


def main(args):
    started = time.perf_counter()
    config, read = from_args(MixgopConfig, args), from_args(ReadConfig, args)
    wanted = baseline_names(args.baselines)
    alignment = read_alignment(args.ali)
    ratings = phone_ratings(Path(args.ratings)) if args.ratings else None
    if ratings is None and args.min_speaker_rating > -math.inf:
        raise UsageError("--min-speaker-rating needs --ratings")
    features = read_features(
        args.dir, transform_config=from_args(TransformConfig, args), allow_pipes=read.allow_pipes
    )
    shift_s = frame_shift_s(args, features)
    if features.frontend.ssl is not None and features.frontend.transform.delta_order:
        log.warning(
            "deltas make features of a self-supervised model three times as wide, and such models know the context: --delta-order 0"
        )
    skipped = unpaired(features.data, alignment)
    reservoirs, left_out, used, data_hash = draw_tokens(
        args, config, features, alignment, ratings, shift_s, skipped
    )
    check_skipped(skipped, read.max_skipped, "trained on", used)
    counts = {phone: reservoirs[phone].seen for phone in c_sorted(reservoirs)}
    rich = [phone for phone, count in counts.items() if count >= config.min_tokens]
    if not rich:
        why = "; left out: " + counted(left_out) if left_out else ""
        raise DataError(
            f"{args.ali}: no phone has --min-tokens {config.min_tokens} tokens, the most has {max(counts.values(), default=0)}{why}"
        )
    drawn, lda = [reservoirs.pop(phone).tokens() for phone in rich], None
    if config.lda_dim:
        try:
            lda = Lda.fit(drawn, [counts[phone] for phone in rich], config.lda_dim, config.added_dims)
        except ValueError as error:
            raise DataError(f"{args.dir}: --lda-dim={config.lda_dim}: {error}") from None
        drawn = [lda.apply(tokens) for tokens in drawn]
    items = list(zip(rich, drawn, [counts[phone] for phone in rich]))
    models, entries = {}, []
    try:
        for model, entry in ordered_map(
            functools.partial(train_one, config), items, jobs=args.nj, label="phones"
        ):
            models[entry["phone"]] = model
            entries.append(entry)
            log.info(
                "%(phone)s: %(gaussians)d Gaussians, %(iterations)d iterations, %(per_token).3f a token over %(drawn)d, %(ending)s",
                entry,
            )
    except ValueError as error:
        raise DataError(f"{args.dir}: {error}") from None
    baselines, converged = fit_baselines(wanted, drawn, [counts[phone] for phone in rich])
    if not converged:
        log.warning("the regression of --baselines stopped before it converged")
    exp = Path(args.exp)
    # of an earlier training: must not stand beside the new log if writing breaks off
    remove(exp / "final.npz")
    with atomic_write(exp / "train.jsonl") as stream:
        stream.writelines(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)
    with atomic_write(exp / "train.json") as stream:
        json.dump(
            {"seconds": round(time.perf_counter() - started, 3), "utts": used, "skipped": skipped},
            stream,
            sort_keys=True,
        )
        stream.write("\n")
    min_rating = args.min_rating if ratings is not None else None
    write_mixgop(
        exp / "final.npz",
        PhoneSet(models, counts, config, min_rating, features.frontend, shift_s, data_hash, baselines, lda),
    )
    report(entries, counts, config, left_out)
    tokens, seen = (sum(entry[name] for entry in entries) for name in ("drawn", "tokens"))
    print(f"trained {len(models)} phones on {tokens} of {seen} tokens")
    print(summary("utterances used", used, skipped))
    return 0


def train_one(config, item):
    return train_phone(*item, config)


def baseline_names(text):
    """The baselines that --baselines asks for."""
    if text in ("none", "all"):
        return tuple(MODELS) if text == "all" else ()
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in MODELS:
            raise UsageError(
                f"--baselines: no baseline '{name}'{nearest(name, MODELS)}: none, all, or some of {', '.join(MODELS)}"
            )
    if not names:
        raise UsageError(f"--baselines names none: none, all, or some of {', '.join(MODELS)}")
    return tuple(names)


def phone_ratings(path):
    ratings = read_ratings(path)
    if ratings.form == "utterances":
        raise DataError(f"{path}: rates utterances; to choose what is trained on, phones must be rated")
    return ratings


def frame_shift_s(args, features):
    shift_s = args.frame_shift or features.frame_shift_s()
    if not 0 < shift_s <= 1:
        raise DataError(
            f"{features.data.path / 'frame_shift'}: {shift_s:g} is no frame shift in seconds (Kaldi writes 0.01)"
        )
    return shift_s


def model_frame_shift_s(args, features, phone_set):
    """The frame shift of the features, which must be the model's."""
    shift_s = frame_shift_s(args, features)
    if abs(shift_s - phone_set.frame_shift_s) > 1e-9:
        path = features.data.path
        raise DataError(
            f"{path}: frame shift {shift_s:g} s, the model's is {phone_set.frame_shift_s:g} s "
            f"(features of the model's kind; or write the right one into {path / 'frame_shift'})"
        )
    return shift_s


def unpaired(data, alignment):
    """Utterances of the data directory without an alignment, and the other way round: dict of utt to reason."""
    reasons = {utt: "no alignment" for utt in data.feats if utt not in alignment}
    reasons.update(
        {utt: f"aligned, but not in {data.path / 'feats.scp'}" for utt in alignment if utt not in data.feats}
    )
    return reasons


def draw_tokens(args, config, features, alignment, ratings, shift_s, skipped):
    """Go through the features once, keeping no more than the drawn tokens.

    Returns
    -------
    reservoirs : dict of str to Reservoir
    left_out : Counter
        Phones that are no tokens, by reason.
    used : int
        Utterances.
    data_hash : str
    """
    reservoirs, left_out, used, digest = {}, Counter(), 0, hashlib.sha256()
    atypical = {
        speaker
        for speaker, mean in mean_ratings(features.data, ratings).items()
        if mean < args.min_speaker_rating
    }
    for utt, feats in tqdm(
        features,
        total=len(features.data.feats),
        desc="utterances",
        disable=None,
        file=sys.stderr,
        leave=False,
    ):
        if utt not in alignment:
            continue
        if ratings is not None and utt not in ratings.by_utt:
            skipped[utt] = f"no ratings in {args.ratings}"
            continue
        phones = alignment[utt]
        names = sorted({phone.label for phone in phones})
        good = np.array([True] * len(phones)) if ratings is None else well_rated(args, utt, phones, ratings)
        reason = f"rated below {args.min_rating:g}"
        if features.data.speaker(utt) in atypical:
            good[:], reason = False, f"of speakers rated below {args.min_speaker_rating:g}"
        labels = np.array([names.index(phone.label) for phone in phones])
        times = np.array([(phone.start_s, phone.end_s) for phone in phones])
        tokens = cut_tokens(feats, labels, *times.T, shift_s, config.pooling)
        left_out.update(REASONS[fault] for fault in tokens.faults[tokens.faults > 0])
        left_out[reason] += int((~good & (tokens.faults == 0)).sum())
        owner = np.repeat(np.where(good, labels, -1), tokens.counts)
        for label, name in enumerate(names):
            if name not in reservoirs:
                reservoirs[name] = Reservoir(config.max_tokens, phone_rng(config.seed, name, 0))
            reservoirs[name].add(tokens.obs[owner == label])
        digest.update(f"{utt} {[phone.label for phone in phones]} {feats.shape}\n".encode())
        for array in (times, good, feats):
            digest.update(np.ascontiguousarray(array).data)
        used += 1
    skipped.update(features.skipped)
    return reservoirs, +left_out, used, digest.hexdigest()


def mean_ratings(data, ratings):
    """Dict of a speaker of the data directory to the mean rating of his phones; empty where there are no
    ratings.
    """
    by_speaker = {}
    for utt in data.feats if ratings is not None else ():
        by_speaker.setdefault(data.speaker(utt), []).extend(ratings.by_utt.get(utt, {}).values())
    return {speaker: float(np.mean(values)) for speaker, values in by_speaker.items() if values}


def well_rated(args, utt, phones, ratings):
    """bool (P,): which phones of an utterance are rated well enough; ratings of other phones are an error."""
    labels, rated = tuple(phone.label for phone in phones), ratings.by_utt[utt]
    names = ratings.phones.get(utt, labels)
    if names != labels or max(rated, default=-1) >= len(labels):
        place = next(
            (i for i, pair in enumerate(zip(labels, names)) if pair[0] != pair[1]),
            min(len(labels), len(names)),
        )
        raise DataError(
            f"{args.ratings}: utterance '{utt}': the phones rated are not those of {args.ali}, from idx {place} on "
            f"({' '.join(names[place : place + 5]) or 'none'}, there {' '.join(labels[place : place + 5]) or 'none'}): the two must agree"
        )
    return np.array([rated.get(idx, np.nan) >= args.min_rating for idx in range(len(phones))])


def report(entries, counts, config, left_out):
    """Say what has no model, what was reduced and what was left out."""
    poor = {phone: count for phone, count in counts.items() if count < config.min_tokens}
    if poor:
        names = ", ".join(f"{phone} {count}" for phone, count in poor.items())
        print(
            f"{len(poor)} phones have no model, fewer tokens than --min-tokens {config.min_tokens}: {names}"
        )
    fewer = [
        f"{entry['phone']} {entry['gaussians']}" for entry in entries if entry["gaussians"] < config.num_gauss
    ]
    if fewer:
        print(
            f"{len(fewer)} phones have fewer Gaussians than {config.num_gauss}, too few different tokens for more: {', '.join(fewer)}"
        )
    if left_out:
        print(f"left out: {counted(left_out)}")


def counted(left_out):
    return ", ".join(f"{count} phones ({reason})" for reason, count in sorted(left_out.items()))
