"""Draw the components of phones' mixtures: tokens and Gaussians in a plane."""

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.alignment import read_alignment
from asrkit.io.files import atomic_write
from asrkit.io.mixgop_file import read_mixgop
from asrkit.io.names import file_name
from asrkit.io.phone_features import read_phone_features
from asrkit.phones.allophones import utterance_tokens
from asrkit.phones.phone_set import PhoneSet
from asrkit.phones.plane import component_means, place_components

NUM_PHONES = 3  # whose components are drawn, where none are named
MOST_DRAWN = 3000  # tokens of a phone; of more, as many are drawn by chance

log = logging.getLogger("asrkit")


def component_pictures(
    exp: PathLike,
    ali: PathLike,
    data_dir: PathLike,
    wanted: Sequence[str],
    frame_shift_s: float,
    allow_pipes: bool,
    out: Path,
) -> list[Callable[[], str]]:
    """Read all tokens of some phones, once, and make a function for each phone's picture: it returns the path.

    Without `wanted` they are the NUM_PHONES phones with most tokens. The other parameters are those of
    `mixgop_plot`.
    """
    phone_set, alignment = read_mixgop(exp), read_alignment(ali)
    for phone in wanted:
        if phone not in phone_set.models:
            raise DataError(f"{exp}: no model of phone '{phone}'; it has {' '.join(phone_set.models)}")
    features, _ = read_phone_features(
        data_dir, phone_set, alignment, ali, frame_shift_s=frame_shift_s, allow_pipes=allow_pipes
    )
    if not wanted:
        wanted = commonest_phones(phone_set, alignment, features.data.feats)
        if not wanted:
            log.warning("%s: no phone of %s is aligned in %s: no components are drawn", ali, exp, data_dir)
    tokens: dict[str, tuple[list, list, list]] = {phone: ([], [], []) for phone in wanted}
    for utt, feats in features:
        if utt in alignment:
            for phone, *parts in utterance_tokens(phone_set, feats, utt, alignment[utt], wanted):
                for held, part in zip(tokens[phone], parts, strict=True):
                    held.append(part)
    if features.skipped:
        log.warning("%s: %d utterances have no features that can be used", data_dir, len(features.skipped))
    pictures: list[Callable[[], str]] = []
    for phone, (obs, left, right) in tokens.items():
        count = sum(map(len, obs))
        if count < 2:
            log.warning("%s: %d tokens of phone '%s' with features: it is not drawn", ali, count, phone)
            continue
        joined = np.concatenate(obs).astype(np.float64), np.concatenate(left), np.concatenate(right)
        pictures.append(
            functools.partial(draw_components, phone, phone_set.models[phone].mixture, *joined, out)
        )
    return pictures


def commonest_phones(phone_set: PhoneSet, alignment: dict, utts: Iterable[str]) -> list[str]:
    """Pick the NUM_PHONES phones that have a model and most tokens in these utterances."""
    counts = dict.fromkeys(phone_set.models, 0)
    for utt in utts:
        for phone in alignment.get(utt, ()):
            if phone.label in counts:
                counts[phone.label] += 1
    return sorted((phone for phone in counts if counts[phone]), key=lambda phone: (-counts[phone], phone))[
        :NUM_PHONES
    ]


def draw_components(
    phone: str, mixture: Any, obs: np.ndarray, left: np.ndarray, right: np.ndarray, out: Path
) -> str:
    from asrkit.plots.components import plot_components  # late: matplotlib is slow to import

    plane, comps, rows = place_components(mixture, obs, left, right)
    some = np.arange(len(obs))
    if len(obs) > MOST_DRAWN:
        some = np.sort(np.random.default_rng(0).choice(len(obs), MOST_DRAWN, replace=False))
    drawn = f", {MOST_DRAWN} of them drawn" if len(obs) > MOST_DRAWN else ""
    title = (
        f"{phone}: {len(obs)} tokens{drawn}, in {len(rows)} of {len(component_means(mixture))} components\n"
        f"plane of {'the components’ means' if plane.of_means else 'the tokens’ principal axes'}, {100 * plane.share:.0f} % of the variance"
    )
    path = out / f"components_{file_name(phone)}.png"
    with atomic_write(path, "wb") as stream:
        plot_components(plane.points(obs[some]), comps[some], rows, stream, title)
    return str(path)
