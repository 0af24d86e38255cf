"""Pictures of pronunciation scores: phones under the spectrogram, speakers against phones, components in the
plane -> OUT/*.png.

SCORES is a folder of `asrkit mixgop score`. What can be drawn depends on what is given besides:
  nothing              speakers_KIND.png: the mean score of each phone by each speaker
  --data DIR           utt_UTT_KIND.png too: phones as boxes coloured by score, below the spectrogram (wav.scp; without a
                       recording below the features of feats.scp), words below them; grey and hatched: no
                       score
  --data, --exp, --ali components_PHONE.png too: tokens and Gaussians of a phone's mixture in a plane

Without --utts, the --worst utterances with the lowest mean scores are drawn, for that is where to listen
first, and the --best ones to compare with: of those of at least five scored phones, where there are any, for
the mean of two phones says little. The colours of all utterances are the same: from 5 to 95 % of the scores
of all phones of SCORES.

Of most kinds of score some phones have lower ones whoever speaks. So the cells of speakers_KIND.png are
coloured by the distance from the phone's median over the speakers (--centre); z and pct are relative to the
phone as they are.

The plane of components_PHONE.png is the one in which the components' means lie furthest apart (of fewer than
three with tokens: the tokens' first two principal axes), each dimension in units of its standard deviation
within components. Ellipses are one standard deviation of the Gaussians; `S_T` are the commonest neighbours, #
the edge of the utterance, or a pause.
"""

import functools
import logging
from pathlib import Path

import numpy as np

from asrkit.cli.commands.mixgop_train import add_frame_shift, frame_shift_s, model_frame_shift_s
from asrkit.config import add_flag, nearest
from asrkit.errors import DataError, UsageError
from asrkit.evaluation.rating import mean_by
from asrkit.features.frontend import TransformConfig
from asrkit.io.alignment import read_alignment
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import read_features
from asrkit.io.files import atomic_write, c_sorted, read_lines
from asrkit.io.mixgop_file import read_mixgop
from asrkit.io.ratings import NUMBERS, TEXTS, read_scores
from asrkit.io.score_textgrid import file_name
from asrkit.models.base import log_sum
from asrkit.phones.allophones import clusters, neighbours
from asrkit.phones.plane import component_means, fit_plane, projected_covariance

EXAMPLE = """example:
  asrkit mixgop plot exp/mixgop/score_patients exp/mixgop/pictures --data data/patients
  asrkit mixgop plot exp/mixgop/score_train exp/mixgop/pictures --data data/train --exp exp/mixgop --ali ali/train --phones AE,T
"""

PREFERRED = ("posterior", "z", "loglik")
RELATIVE = ("z", "pct")  # to the phone's training tokens
ENOUGH = 5  # scored phones that make a mean worth a look
NUM_PHONES = 3  # whose components are drawn, where --phones names none
MOST_DRAWN = 3000  # tokens of a phone; of more, as many are drawn by chance

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("scores", metavar="SCORES", help="folder of asrkit mixgop score")
    parser.add_argument("out", metavar="OUT", help="folder for the pictures")
    parser.add_argument(
        "--data", metavar="DIR", help="data directory of SCORES: its recordings or features are drawn"
    )
    parser.add_argument(
        "--exp", metavar="EXP", help="folder with final.npz, or a model file: its components are drawn"
    )
    parser.add_argument(
        "--ali",
        metavar="ALI",
        help="folder with phones.ctm, or a CTM file, of DIR: where the components' tokens are",
    )
    add_flag(
        parser,
        "kind",
        "",
        f"column of phones.tsv to draw (default: the first of {', '.join(PREFERRED)} that has values)",
    )
    add_flag(parser, "utts", "", "utterances to draw, with commas between")
    add_flag(parser, "worst", 3, "utterances with the lowest means to draw, without --utts", minimum=0)
    add_flag(parser, "best", 1, "utterances with the highest means to draw, without --utts", minimum=0)
    add_flag(
        parser,
        "centre",
        "auto",
        "speakers: less the phone's median; auto: of all kinds but z and pct",
        choices=("auto", "true", "false"),
    )
    add_flag(
        parser,
        "phones",
        "",
        f"phones whose components are drawn, with commas between (default: the {NUM_PHONES} with most tokens)",
    )
    add_frame_shift(parser)
    add_flag(parser, "allow-pipes", False, "run shell pipes found in scp files")


def main(args):
    utts, phones = ([name for name in text.split(",") if name] for text in (args.utts, args.phones))
    check_usage(args, utts, phones)
    kinds = kinds_of_table(Path(args.scores))
    scores = read_scores(Path(args.scores), kinds)
    kind = chosen_kind(scores, kinds, args.kind)
    out, speaker_of = Path(args.out), read_speakers(scores)
    pictures = [functools.partial(draw_speakers, scores, kind, speaker_of, args, out)]
    if args.data:
        pictures += utterance_pictures(scores, kind, speaker_of, utts, args, out)
    if args.exp:
        pictures += component_pictures(phones, args, out)
    for draw in pictures:
        print(draw(), flush=True)
    return 0


def check_usage(args, utts, phones):
    if utts and not args.data:
        raise UsageError("--utts needs --data DIR, which has the recordings")
    if bool(args.exp) != bool(args.ali):
        raise UsageError(
            f"{'--exp' if args.exp else '--ali'} goes with {'--ali' if args.exp else '--exp'}: both are needed for the components"
        )
    if (args.exp or phones) and not (args.exp and args.data):
        raise UsageError("the components of phones need --data DIR, --exp EXP and --ali ALI")


def draw_to(path, plot):
    """Let `plot` write to a stream; the path as text."""
    with atomic_write(path, "wb") as stream:
        plot(stream)
    return str(path)


# Scores


def kinds_of_table(folder):
    """The columns of phones.tsv that are scores."""
    path = folder / "phones.tsv"
    head = next(read_lines(path), (1, ""))[1] if path.exists() else ""
    return [name for name in head.split("\t") if name and name not in TEXTS + NUMBERS]


def chosen_kind(scores, kinds, wanted):
    for name in ("start", "end"):
        if name not in scores.columns:
            raise DataError(f"{scores.path}:1: no column '{name}' (asrkit mixgop score writes it anew)")
    if wanted and wanted not in kinds:
        raise DataError(
            f"{scores.path}:1: no score '{wanted}'{nearest(wanted, kinds)}; it has {', '.join(kinds)}"
        )
    for name in [wanted] if wanted else [*(kind for kind in PREFERRED if kind in kinds), *kinds]:
        if np.isfinite(scores.columns[name]).any():
            return name
    raise DataError(
        f"{scores.path}: no phone has a score{f' of kind {wanted}' if wanted else ''} (is a model there for these phones?)"
    )


def read_speakers(scores):
    """Who spoke each utterance, of the utterances.tsv beside phones.tsv."""
    path = scores.path.parent / "utterances.tsv"
    speakers = dict(line.split("\t")[:2] for number, line in read_lines(path) if number > 1 and "\t" in line)
    missing = next((utt for utt in scores.rows if utt not in speakers), None)
    if missing is not None:
        raise DataError(
            f"{path}: utterance '{missing}' of {scores.path} is not in it (asrkit mixgop score writes both anew)"
        )
    return speakers


# Speakers against phones


def draw_speakers(scores, kind, speaker_of, args, out):
    from asrkit.plots.phones import plot_speakers

    columns = scores.columns
    said_by = np.array([speaker_of[utt] for utt in columns["utt"]], dtype=object)
    speakers, phones = c_sorted(set(said_by)), c_sorted(set(columns["phone"]))
    place = {name: i for i, name in enumerate(speakers)}, {name: i for i, name in enumerate(phones)}
    cells = np.array([place[0][name] for name in said_by]) * len(phones) + np.array(
        [place[1][name] for name in columns["phone"]]
    )
    values = np.where(np.isfinite(columns[kind]), columns[kind], np.nan)
    means = mean_by(values, cells, len(speakers) * len(phones)).reshape(len(speakers), len(phones))
    centre = {"true": True, "false": False, "auto": kind not in RELATIVE and len(speakers) > 1}[args.centre]
    title = f"{kind} of {int(np.isfinite(values).sum())} phones by {len(speakers)} speakers, the lowest first; grey: no scored token"
    return draw_to(
        out / f"speakers_{kind}.png",
        lambda stream: plot_speakers(means, speakers, phones, stream, kind, centre, title),
    )


# Utterances


def utterance_pictures(scores, kind, speaker_of, wanted, args, out):
    """A function for each utterance's picture."""
    from asrkit.plots.phones import score_range

    data = read_data_dir(args.data)
    usable = {utt for utt in scores.rows if utt in data.feats or recording_of(data, utt)[0] in data.wav}
    for utt in wanted:
        if utt not in scores.rows:
            raise DataError(f"{scores.path}: utterance '{utt}' is not in it{nearest(utt, scores.rows)}")
        if utt not in usable:
            raise DataError(
                f"{data.path}: utterance '{utt}' has neither a recording (wav.scp) nor features (feats.scp)"
            )
    if not usable:
        log.warning(
            "%s: no utterance of %s has a recording or features there: none is drawn", data.path, scores.path
        )
    utts = wanted or notable(scores, kind, usable, args.worst, args.best)
    limits = score_range(scores.columns[kind])
    shift_s = (
        feature_shift_s(args) if any(recording_of(data, utt)[0] not in data.wav for utt in utts) else None
    )
    return [
        functools.partial(
            draw_utterance, scores, kind, data, utt, speaker_of[utt], limits, shift_s, args, out
        )
        for utt in utts
    ]


def notable(scores, kind, usable, worst, best):
    """The utterances with the lowest means, the lowest first, and those with the highest."""
    means, enough = {}, {}
    for utt in c_sorted(usable):
        values = scores.columns[kind][scores.rows[utt]]
        values = values[np.isfinite(values)]
        if len(values):
            means[utt], enough[utt] = float(values.mean()), len(values) >= ENOUGH
    if any(enough.values()):
        means = {utt: mean for utt, mean in means.items() if enough[utt]}
    ranked = sorted(means, key=means.get)
    lowest = ranked[:worst]
    return lowest + [utt for utt in reversed(ranked) if utt not in lowest][:best]


def draw_utterance(scores, kind, data, utt, speaker, limits, shift_s, args, out):
    from asrkit.plots.phones import plot_utterance, short

    columns, lines = scores.columns, scores.rows[utt]
    words = columns["word"][lines] if "word" in columns else [""] * len(lines)
    phones = list(
        zip(
            columns["phone"][lines],
            columns["start"][lines],
            columns["end"][lines],
            columns[kind][lines],
            words,
        )
    )
    values = columns[kind][lines]
    known = values[np.isfinite(values)]
    title = f"{utt}, speaker {speaker}: " + (
        f"mean {kind} {short(known.mean())} over {len(known)} phones" if len(known) else ""
    )
    title += f", {len(values) - len(known)} without a score" if len(known) < len(values) else ""
    sound = read_sound(data, utt, shift_s, args)
    path = out / f"utt_{file_name(utt)}_{kind}.png"
    return draw_to(path, lambda stream: plot_utterance(sound, phones, limits, stream, kind, title))


def recording_of(data, utt):
    """Its name in wav.scp, and the segment."""
    segment = data.segments.get(utt)
    return (segment.recording if segment else utt), segment


def read_sound(data, utt, shift_s, args):
    """The utterance's Sound: of its recording, or of its stored features."""
    from asrkit.plots.phones import Sound, wideband

    recording, segment = recording_of(data, utt)
    if recording in data.wav:
        samples, rate_hz = read_audio(data.wav[recording], base=data.path, allow_pipes=args.allow_pipes)
        if segment:
            samples = samples[
                int(segment.start_s * rate_hz) : None if segment.end_s < 0 else int(segment.end_s * rate_hz)
            ]
        if not len(samples):
            raise DataError(
                f"{data.path / 'segments'}: utterance '{utt}' begins behind the end of recording '{recording}'"
            )
        return wideband(samples, rate_hz)
    feats = raw_features(args).read(utt)
    deviation = feats.std(axis=0)
    image = ((feats - feats.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).T
    return Sound(
        image, len(feats) * shift_s, feats.shape[1], "dimension of the features\n(each about its mean)", False
    )


def raw_features(args):
    return read_features(
        args.data, transform_config=TransformConfig(delta_order=0), allow_pipes=args.allow_pipes
    )


def feature_shift_s(args):
    return frame_shift_s(args, raw_features(args))


# Components


def component_pictures(wanted, args, out):
    """A function for each phone's picture; reads all tokens of these phones once."""
    phone_set, alignment = read_mixgop(args.exp), read_alignment(args.ali)
    for phone in wanted:
        if phone not in phone_set.models:
            raise DataError(f"{args.exp}: no model of phone '{phone}'; it has {' '.join(phone_set.models)}")
    features = read_features(args.data, frontend=phone_set.frontend, allow_pipes=args.allow_pipes)
    model_frame_shift_s(args, features, phone_set)  # refuses another
    if not wanted:
        counts = dict.fromkeys(phone_set.models, 0)
        for utt in features.data.feats:
            for phone in alignment.get(utt, ()):
                if phone.label in counts:
                    counts[phone.label] += 1
        wanted = sorted(
            (phone for phone in counts if counts[phone]), key=lambda phone: (-counts[phone], phone)
        )[:NUM_PHONES]
        if not wanted:
            log.warning(
                "%s: no phone of %s is aligned in %s: no components are drawn", args.ali, args.exp, args.data
            )
    tokens = {phone: ([], [], []) for phone in wanted}
    for utt, feats in features:
        if utt in alignment:
            for phone, *parts in utterance_tokens(phone_set, feats, utt, alignment[utt], wanted):
                for held, part in zip(tokens[phone], parts, strict=True):
                    held.append(part)
    if features.skipped:
        log.warning("%s: %d utterances have no features that can be used", args.data, len(features.skipped))
    pictures = []
    for phone, (obs, left, right) in tokens.items():
        if sum(map(len, obs)) < 2:
            log.warning(
                "%s: %d tokens of phone '%s' with features: it is not drawn",
                args.ali,
                sum(map(len, obs)),
                phone,
            )
            continue
        joined = np.concatenate(obs).astype(np.float64), np.concatenate(left), np.concatenate(right)
        pictures.append(
            functools.partial(draw_components, phone, phone_set.models[phone].mixture, *joined, out)
        )
    return pictures


def utterance_tokens(phone_set, feats, utt, phones, wanted):
    """Yield (phone, its tokens (n, D), their left and right neighbours) of one utterance, for each phone of
    `wanted` that is in it.

    Of the poolings `all` and `placed` each frame is a token; of a model with LDA they are what comes out of
    it.
    """
    place = {name: label for label, name in enumerate(wanted)}
    labels = np.array([place.get(phone.label, -1) for phone in phones])
    times = np.array([(phone.start_s, phone.end_s) for phone in phones])
    tokens = phone_set.cut(feats, labels, *times.T)
    left, right = neighbours([utt] * len(phones), [phone.label for phone in phones], *times.T)
    owner = np.repeat(np.arange(len(phones)), tokens.counts)
    for label in np.unique(labels[owner]):
        mine = labels[owner] == label
        yield wanted[label], tokens.obs[mine], left[owner[mine]], right[owner[mine]]


def draw_components(phone, mixture, obs, left, right, out):
    from asrkit.plots.phones import plot_components

    joint = mixture.component_log_likelihood(obs)[:, 0]
    comps, loglik = joint.argmax(axis=1), log_sum(joint)
    means = component_means(mixture)
    plane = fit_plane(obs, comps, means)
    rows = clusters(np.full(len(obs), phone), comps, left, right, loglik, exemplars=0, contexts=1)
    rows = [{
        "component": row["component"], "n": row["n"], "left": row["left"][0], "right": row["right"][0],
        "mean": plane.points(means[row["component"]]), "covariance": projected_covariance(mixture, row["component"], plane.axes),
    } for row in rows]  # fmt: skip
    some = np.arange(len(obs))
    if len(obs) > MOST_DRAWN:
        some = np.sort(np.random.default_rng(0).choice(len(obs), MOST_DRAWN, replace=False))
    drawn = f", {MOST_DRAWN} of them drawn" if len(obs) > MOST_DRAWN else ""
    title = (
        f"{phone}: {len(obs)} tokens{drawn}, in {len(rows)} of {len(means)} components\n"
        f"plane of {'the components’ means' if plane.of_means else 'the tokens’ principal axes'}, {100 * plane.share:.0f} % of the variance"
    )
    path = out / f"components_{file_name(phone)}.png"
    return draw_to(
        path, lambda stream: plot_components(plane.points(obs[some]), comps[some], rows, stream, title)
    )
