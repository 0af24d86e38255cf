"""Does an alignment fit its recordings? Its ends are held against their durations, its frames against theirs.

A time scale of its own (milliseconds, a chain model's every third frame, features every 5 ms) is a property of
all of an alignment, so it is looked for over all utterances: where silences are kept, their last ends lie at the
durations; where they are left out, ends may come early by a silence, but neither in proportion to the durations
nor with phones that are too short to be said.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from asrkit.errors import DataError
from asrkit.io.durations import KALDIS_SHIFT_S, WINDOW_S, spread, stated_frame_shift_s
from asrkit.phones.phone import OVERLAP_S, POSITION, Phone, is_silence

Alignment = Mapping[str, Sequence[Phone]]
LOOKED_AT = 50  # utterances whose features are read for it
REACH = 0.6  # of the recordings: an alignment that reaches beyond, if only now and then, has their time scale
SHORT_S = 0.05  # half of the phones shorter: faster than anyone talks
FEW = 5  # utterances that say little about all
MANY = 10  # whose ends are off by the same share of their durations: no chance
SLACK_S = 0.1  # windows, rounded times and recordings' odd ends
FRAMES_OFF = 2  # Kaldi's two ways to cut frames (snip_edges) differ by up to so many
SCALES = {  # what times that are so many times too large (or too small) were made of
    1e-3: "milliseconds taken for seconds twice",
    1e-2: "frames of 0.01 s counted twice",
    1e-1: "",
    1
    / 3: "frames of 0.03 s, a chain model's every third, taken for 0.01 s: ali-to-phones --frame-shift=0.03 writes it anew",
    1 / 2: "frames of 0.02 s taken for 0.01 s",
    2: "frames of 0.005 s taken for 0.01 s",
    3: "frames of 0.01 s taken for 0.03 s: ali-to-phones --frame-shift=0.01 writes it anew",
    10: "",
    1e2: "frames, not seconds",
    2e2: "frames of 0.005 s, not seconds",
    1e3: "milliseconds, not seconds",
    8e3: "samples, not seconds",
    1.6e4: "samples, not seconds",
    4.41e4: "samples, not seconds",
    1e7: "HTK's 100 ns, not seconds",
}


def misfits(alignment: Alignment, data, lengths: Mapping[str, float]) -> tuple[dict[str, str], int]:
    """Find the utterances of a data directory and an alignment that do not fit each other.

    Parameters
    ----------
    alignment : dict of str to sequence of Phone
    data : DataDir
    lengths : dict of str to float
        Seconds of the utterances, as far as they are known.

    Returns
    -------
    skipped : dict of str to str
        Utterance -> why it can't be used.
    unknown : int
        How many were not held against a length.
    """
    utts = set(data.utts)
    skipped, unknown = {utt: "no alignment" for utt in data.utts if utt not in alignment}, 0
    for utt, phones in alignment.items():
        last = last_of(phones)
        slack_s = SLACK_S if is_silent(last) else OVERLAP_S
        if utt not in utts:
            skipped[utt] = f"not in {data.path}"
        elif utt not in lengths:
            unknown += 1
        elif last.end_s > lengths[utt] + slack_s:
            skipped[utt] = f"'{last.label}' ends at {last.end_s:.2f} s, the utterance at {lengths[utt]:.2f} s"
    return skipped, unknown


def frame_misfits(
    alignment: Alignment, frames: Mapping[str, float], own_shift_s: float, stated_shift_s: float | None
) -> dict[str, str]:
    """Find the utterances whose alignment has another number of frames than their features.

    Parameters
    ----------
    alignment : dict of str to sequence of Phone
        One phone or silence after the other, to the last frame.
    frames : dict of str to int
        Of the features.
    own_shift_s : float
        Frame shift of the alignment, seconds.
    stated_shift_s : float or None
        That of the features; None where nobody stated it: Kaldi's then, or the alignment's where it has as many frames.

    Returns
    -------
    dict of str to str
        Utterance -> both numbers.
    """
    skipped, shift_s = {}, stated_shift_s or KALDIS_SHIFT_S
    for utt, phones in alignment.items():
        if utt not in frames or not phones:
            continue
        count = round(last_of(phones).end_s / own_shift_s)
        if stated_shift_s is None and abs(count - frames[utt]) <= FRAMES_OFF:
            continue
        # The last of every third frame may stand for one or two that are not there.
        off_s = FRAMES_OFF * shift_s + max(0.0, own_shift_s - shift_s)
        if abs(count * own_shift_s - frames[utt] * shift_s) > off_s + 1e-6:
            every = frames[utt] / max(count, 1)
            chain = f", about every {every:.0f}. frame: frame_shift_s={round(every) * shift_s:g}"
            skipped[utt] = (
                f"{count} frames of {own_shift_s:g} s in the alignment, {frames[utt]:.0f} of {shift_s:g} s in the features"
                + (chain if every > 1.5 and count > FRAMES_OFF and own_shift_s == shift_s else "")
            )
    return skipped


def refuse_other_scale(
    where: object, alignment: Alignment, lengths: Mapping[str, float], remedy: str = ""
) -> None:
    """Raise a DataError where an alignment has another time scale than its recordings.

    Parameters
    ----------
    where : path
        The alignment, for messages.
    alignment : dict of str to sequence of Phone
        Silences included, where they are known.
    lengths : dict of str to float
        Seconds of the utterances, as far as they are known.
    remedy : str
        What else may be wrong: the frame shift, where nobody stated it. Less is needed then to refuse.
    """
    utts = [utt for utt, phones in alignment.items() if phones and lengths.get(utt, 0) > 0]
    if not utts:
        return
    last = [last_of(alignment[utt]) for utt in utts]
    ends_s, lengths_s = np.array([phone.end_s for phone in last]), np.array([lengths[utt] for utt in utts])
    closed = np.array([is_silent(phone) for phone in last])
    ratios = ends_s / lengths_s
    which = np.arange(len(utts))
    if np.median(ends_s - 1.1 * lengths_s) > SLACK_S or (
        remedy and np.mean(ends_s > lengths_s + SLACK_S) > 0.25
    ):
        reach, scale = np.median(ratios), "longer than the recordings"
    elif closed.mean() > 0.5:
        which = np.flatnonzero(closed)
        reach, gap_s = np.median(ratios[which]), np.median((lengths_s - ends_s)[which])
        if (reach >= 0.9 or gap_s <= SLACK_S) and not off_by_a_factor(ends_s[which], lengths_s[which]):
            return
        scale = f"{'shorter' if reach < 1 else 'longer'} than the recordings, last silences included"
    else:
        reach = np.quantile(ratios, 0.9)
        doubtful = len(utts) >= FEW and bool(remedy)  # to state it costs little
        if reach >= REACH or not (
            doubtful or says_too_fast(alignment, utts) or in_proportion(ends_s, lengths_s)
        ):
            return
        scale = "too short for the recordings"
    reach = max(reach, 1e-12)
    one = which[np.argmin(np.abs(ratios[which] - reach))]
    raise DataError(
        f"{where}: the alignment is {scale}: it ends at {reach:.3g} times their durations, '{last[one].label}' of {utts[one]} "
        f"ends at {ends_s[one]:.2f} s, the utterance at {lengths_s[one]:.2f} s{likely_scales(reach)}{remedy or ' (times are seconds)'}"
    )


def likely_scales(reach: float) -> str:
    """Name the factors by which times may be off whose ends lie at `reach` times the durations: that, or some more,
    as before the end there may be silence.
    """
    near = [factor for factor in SCALES if 0.93 * reach <= factor <= 1.8 * reach]
    words = (
        (f"1/{1 / factor:.0f}" if factor < 1 else f"{factor:g}")
        + (f" ({SCALES[factor]})" if SCALES[factor] else "")
        for factor in near
    )
    return f"; as if multiplied by {' or by '.join(words)}" if near else ""


def refuse_unfit(where: object, alignment: Alignment, features, shift_s: float, given: bool) -> None:
    """Raise a DataError where an alignment has another time scale than features: a look at some of them.

    Parameters
    ----------
    features : FeatureSet
    shift_s : float
        Their frame shift.
    given : bool
        The user stated it.
    """
    frames = {}
    for utt in spread([utt for utt in features.data.feats if utt in alignment], LOOKED_AT):
        try:
            frames[utt] = len(features.read(utt))
        except DataError:  # counted with its reason where features are used
            continue
    seconds = {utt: count * shift_s + WINDOW_S for utt, count in frames.items()}
    stated = given or stated_frame_shift_s(features.data, features.frontend.kind) is not None
    refuse_other_scale(where, alignment, seconds, "" if stated else frame_shift_remedy(features.data))


def frame_shift_remedy(data, option: str = "frame_shift_s= or ") -> str:
    """Say that the frame shift may be what is wrong, and where it is stated."""
    path = data.path / "frame_shift"
    return (
        f"; or frames are not {KALDIS_SHIFT_S:g} s apart, which nobody said ({option}the file {path} says it)"
    )


def last_of(phones: Sequence[Phone]) -> Phone:
    """The phone that ends last."""
    return max(phones, key=lambda phone: phone.end_s)


def is_silent(phone: Phone) -> bool:
    return is_silence(POSITION.sub("", phone.label))


def says_too_fast(alignment: Alignment, utts: Sequence[str]) -> bool:
    """Tell whether half of the phones are shorter than phones are."""
    lengths_s = [
        phone.end_s - phone.start_s
        for utt in utts
        for phone in alignment[utt]
        if phone.end_s > phone.start_s and not is_silent(phone)
    ]
    return len(lengths_s) >= 3 and float(np.median(lengths_s)) < SHORT_S


def off_by_a_factor(ends_s: np.ndarray, lengths_s: np.ndarray) -> bool:
    """Tell whether all last silences miss the durations by one share of them, though these differ.

    However little that is in seconds, as with short words: what windows and rounding leave is no such share.
    """
    if len(ends_s) < MANY or lengths_s.std() < 0.1 * lengths_s.mean():
        return False
    low, middle, high = np.quantile(1 - ends_s / lengths_s, [0.1, 0.5, 0.9])
    return bool(abs(middle) > 0.02 and high - low < 0.2 * abs(middle))


def in_proportion(ends_s: np.ndarray, lengths_s: np.ndarray) -> bool:
    """Tell whether ends grow with the durations as a share of them, as no silence at the end lets them."""
    logs = np.log(np.maximum(ends_s, 1e-9)), np.log(lengths_s)
    if len(ends_s) < FEW or min(one.std() for one in logs) < 0.05:
        return False
    slope = np.polyfit(logs[1], logs[0], 1)[0]
    return bool(np.corrcoef(*logs)[0, 1] > 0.9 and 0.75 < slope < 1.3)
