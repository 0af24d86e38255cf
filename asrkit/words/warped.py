"""Recordings that are heard as other vocal tracts would have said them, too: the likeliest copy counts."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from asrkit import families
from asrkit.errors import DataError
from asrkit.features.frontend import FrontEnd
from asrkit.features.warp import log_volumes
from asrkit.models.base import Block, chunks
from asrkit.runtime import ordered_map
from asrkit.words.decoding import Scorer
from asrkit.words.vocabulary import Vocabulary

NEAR = 5  # words that are scored under all copies: of 5080 recordings of digits none was heard otherwise than with all words


class Copies(NamedTuple):
    """One utterance and its copies: features (T, K, D), the utterance itself first, and nats a frame that belong to each (K,)."""

    utt: str
    feats: np.ndarray
    volumes: np.ndarray


def check_warped(vocabulary: Vocabulary) -> None:
    """Raise a DataError where a vocabulary can't hear warped copies."""
    if not families.load(vocabulary.family).has_gaussians:
        raise DataError(
            f"a {vocabulary.family} has no densities, so that the scores of copies can't be compared (leave test_warps= out)"
        )
    vocabulary.frontend.check_warpable()


def hear_warped(features: Any, scorer: Scorer, by: str, jobs: int) -> Iterator[tuple]:
    """Score utterances against every word, each under the factor that makes it likeliest.

    Parameters
    ----------
    features : FeatureSet
        With copies of each utterance.
    by : {"recording", "speaker"}
        Whose likelihood chooses the factor: a speaker's is the sum over the recordings, each with its best word.

    Yields
    ------
    list of str, list of int, (U, W)
        Utterances, their frames, and the scores of every word. By recording, a word that is not among the `NEAR` best of the
        recording itself is only scored there; it would not win.
    """
    each = functools.partial(copies_of, features)
    score = functools.partial(score_copies, scorer)
    if by == "speaker":
        best, sums = functools.partial(best_of_copies, scorer), {}
        for utts, likes in ordered_map(
            best, chunks(each()), jobs=jobs, label="factors: about 8000 frames a step"
        ):
            for utt, own in zip(utts, likes, strict=True):
                speaker = features.data.speaker(utt)
                sums[speaker] = sums.get(speaker, 0.0) + np.where(np.isfinite(own), own, 0.0)
        each = functools.partial(
            chosen_copies, features, {key: int(own.argmax()) for key, own in sums.items()}
        )
    return ordered_map(score, chunks(each()), jobs=jobs, label="about 8000 frames a step")


def copies_of(features: Any) -> Iterator[Copies]:
    """Yield each utterance of a FeatureSet with its copies."""
    frontend: FrontEnd = features.frontend
    matrices, order, each = list(features.warps.values()), frontend.transform.delta_order, features.scaled()
    for together in zip(*[each] * (len(matrices) + 1), strict=True):
        scales = np.array([scale for *_, scale in together])
        yield Copies(
            together[0][0],
            np.stack([feats for _, feats, _ in together], axis=1),
            log_volumes(matrices, frontend.dim, order, scales),
        )


def chosen_copies(features: Any, chosen: dict[str, int]) -> Iterator[Copies]:
    """Yield of each utterance the one copy that was chosen for its speaker."""
    for utt, feats, volumes in copies_of(features):
        place = chosen[features.data.speaker(utt)]
        yield Copies(utt, feats[:, place : place + 1], volumes[place : place + 1])


def score_copies(scorer: Scorer, items: Iterable[Copies]) -> tuple[list[str], list[int], np.ndarray]:
    """Utterances, their frames, and for every word the score of its likeliest copy."""
    items = list(items)
    utts, lengths = [item.utt for item in items], [len(item.feats) for item in items]
    return utts, lengths, copy_scores(scorer, items).max(axis=1)


def best_of_copies(scorer: Scorer, items: Iterable[Copies]) -> tuple[list[str], np.ndarray]:
    """Utterances, and the score of the best word under each copy (U, K)."""
    items = list(items)
    return [item.utt for item in items], copy_scores(scorer, items).max(axis=2)


def copy_scores(scorer: Scorer, items: list[Copies]) -> np.ndarray:
    """Score each copy against every word: (U, K, W), -inf for copies under words that are not near."""
    own = scorer.scores([(item.utt, item.feats[:, 0]) for item in items])
    scores = np.full((len(items), len(items[0].volumes), own.shape[1]), -np.inf)
    volumes = np.array([len(item.feats) * item.volumes for item in items])  # (U, K)
    scores[:, 0] = own + volumes[:, :1]
    near = np.argsort(np.argsort(-own, axis=1, kind="stable"), axis=1) < NEAR
    near &= np.isfinite(own) & (scores.shape[1] > 1)
    for word in np.flatnonzero(near.any(axis=0)):
        some = np.flatnonzero(near[:, word])
        block = Block.from_items(
            (items[u].utt, copy) for u in some for copy in items[u].feats.swapaxes(0, 1)[1:]
        )
        likes = scorer.word_scores(int(word), block).reshape(len(some), -1)
        scores[some, 1:, word] = likes + volumes[some, 1:]
    return scores
