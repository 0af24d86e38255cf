"""Describe what the components of phones' mixtures stand for: size, neighbours and exemplars, and ANMI."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asrkit.characters import composed
from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.io.files import read_table
from asrkit.io.places import as_path
from asrkit.io.ratings import is_place, read_scores
from asrkit.phones.allophones import Anmi, anmi, clusters, manners, neighbours
from asrkit.runtime import one_thread

ENVIRONMENTS = {"phones": "phone", "manner": "class"}  # what a neighbour counts as
HEADS = ("phone", "component", "n", "share", "left", "right", "exemplars")


NO_COMPONENT = ("nan", "NA", "")


@dataclass(frozen=True)
class PhoneClusters:
    """The components of phones' mixtures.

    Attributes
    ----------
    rows : list of dict
        As of `allophones.clusters`; exemplars are texts, `utt:start-end` in seconds.
    anmi : Anmi
    environment : {"phones", "manner"}
    unscored : int
        Phones without a score.
    """

    rows: list[dict]
    anmi: Anmi
    environment: str
    unscored: int

    def lines(self) -> list[str]:
        """The table, then ANMI."""
        cells = [
            HEADS,
            *(
                (
                    row["phone"],
                    str(row["component"]),
                    str(row["n"]),
                    f"{100 * row['share']:.0f} %",
                    in_shares(row["left"]),
                    in_shares(row["right"]),
                    " ".join(row["exemplars"]),
                )
                for row in self.rows
            ),
        ]
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)).rstrip() for line in cells
        ]
        found, pair = self.anmi, ENVIRONMENTS[self.environment]
        lines.append(
            f"ANMI {found.value:.3f}, by chance {found.chance:.3f}: {len(found.by_phone)} phones, environment ({pair} on the left, {pair} on the right)"
            if found.by_phone
            else "ANMI: no phone to average over"
        )
        if found.left_out:
            lines.append(
                "not in it: " + ", ".join(f"{phone} ({why})" for phone, why in found.left_out.items())
            )
        if self.unscored:
            lines.append(f"left out: {self.unscored} phones without a score")
        return lines


def in_shares(contexts: list[tuple[str, float]]) -> str:
    return " ".join(f"{phone} {100 * share:.0f}%" for phone, share in contexts)


@one_thread()
def mixgop_clusters(
    scores: PathLike,
    *,
    phones: Sequence[str] = (),
    environment: str = "phones",
    classes: PathLike | None = None,
    min_tokens: int = 50,
    exemplars: int = 3,
    contexts: int = 3,
    seed: int = 0,
) -> PhoneClusters:
    """Describe the components that scored tokens fall to.

    Parameters
    ----------
    scores : path
        Folder of `mixgop score`.
    phones : sequence of str
        Phones to show; empty: all.
    environment : {"phones", "manner"}
        What a neighbour counts as, for ANMI.
    classes : path, optional
        `phone class` a line, for `environment="manner"`; else those of ARPAbet.
    min_tokens : int
        Phones with fewer tokens have no part in ANMI.
    exemplars, contexts : int
        Tokens and neighbours to name for a component.
    seed : int
        Of ANMI by chance.

    Returns
    -------
    PhoneClusters

    Raises
    ------
    DataError
        The scores are missing or lack a phone that is asked for, or a phone has no class.
    SettingsError
        Classes are given that would do nothing.
    """
    if environment not in ENVIRONMENTS:
        raise SettingsError(f"environment={environment} is none of {', '.join(ENVIRONMENTS)}")
    if classes and environment != "manner":
        raise SettingsError(f"classes={classes} goes with environment=manner")
    table, phones = read_scores(as_path(scores), ("loglik",)), [composed(phone) for phone in phones]
    columns = table.columns
    for name in ("comp", "start", "end"):
        if name not in columns:
            raise DataError(f"{table.path}:1: no column '{name}' (asrkit mixgop score writes it anew)")
    left, right = neighbours(columns["utt"], columns["phone"], columns["start"], columns["end"])
    for number, comp in enumerate(columns["comp"], 2):
        if not (is_place(comp) or comp in NO_COMPONENT):
            raise DataError(
                f"{table.path}:{number}: comp '{comp}' is no component (asrkit mixgop score writes it anew)"
            )
    known = ~np.isin(columns["comp"].astype(str), NO_COMPONENT) & ~np.isnan(columns["loglik"])
    if not known.any():
        raise DataError(f"{table.path}: no phone has a component (is a model there for these phones?)")
    labels, left, right = columns["phone"][known], left[known], right[known]
    components = columns["comp"][known].astype(np.int64)
    strange = [phone for phone in phones if phone not in set(labels)]
    if strange:
        raise DataError(
            f"{table.path}: no scored token of {', '.join(strange)}; it has {' '.join(sorted(set(labels)))}"
        )
    places = np.flatnonzero(known)
    rows = [
        {**row, "exemplars": [token(columns, places[i]) for i in row["exemplars"]]}
        for row in clusters(labels, components, left, right, columns["loglik"][known], exemplars, contexts)
        if not phones or row["phone"] in phones
    ]
    if environment == "manner":
        left, right = classes_of(left, right, classes)
    pairs = np.array([f"{a} {b}" for a, b in zip(left, right)])
    found = anmi(labels, components, pairs, min_tokens, seed=seed)
    return PhoneClusters(rows, found, environment, int(np.sum(~known)))


def classes_of(
    left: np.ndarray, right: np.ndarray, classes: PathLike | None
) -> tuple[np.ndarray, np.ndarray]:
    """Replace neighbours by their classes, those of a file or of ARPAbet."""
    manner_of = read_table(classes, check_sorted=False) if classes else None
    try:
        return manners(left, manner_of), manners(right, manner_of)
    except ValueError as error:
        raise DataError(
            f"{classes or 'environment=manner'}: {error} (name them in classes=FILE, `phone class` a line)"
        ) from None


def token(columns: dict[str, np.ndarray], line: int) -> str:
    return f"{columns['utt'][line]}:{columns['start'][line]:.2f}-{columns['end'][line]:.2f}"
