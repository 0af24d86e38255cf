"""Several vocabularies as one: word models know nothing of each other, so that they can stand side by side."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from asrkit import families
from asrkit.characters import alike_in_columns
from asrkit.errors import DataError
from asrkit.words.kept import Kept
from asrkit.words.teaching import trained_part, why_not_teachable, with_taught
from asrkit.words.vocabulary import Vocabulary


def merge_vocabularies(vocabularies: Sequence[Vocabulary], names: Sequence[str]) -> Vocabulary:
    """Put the words of several vocabularies into one.

    Settings, weights and thresholds of confidence, and what a word is taught by are the first's; the states' facts are each word's own. Where all
    words were taught, confidence is learned anew of all of them.

    Parameters
    ----------
    names : sequence of str
        What errors call them.

    Raises
    ------
    DataError
        They have no features, family or codebook in common, or a word twice.
    """
    first, *others = vocabularies
    seen = dict.fromkeys(first.words, names[0])
    for vocabulary, name in zip(others, names[1:], strict=True):
        reason = difference(first, vocabulary)
        if reason:
            raise DataError(f"{name} and {names[0]}: {reason}")
        for word in vocabulary.words:
            if word in seen:
                raise DataError(
                    f"'{word}' is a word of {seen[word]} and of {name} (asrkit forget it in one of them)"
                )
            seen[word] = name
    alike = alike_in_columns(seen)
    if alike:
        raise DataError(alike)
    hashes = list(
        dict.fromkeys(vocabulary.data_hash for vocabulary in vocabularies)
    )  # of taught words alone it is one
    merged = replace(
        first,
        models={word: model for own in vocabularies for word, model in own.models.items()},
        words=tuple(sorted(seen, key=str.encode)),
        data_hash=hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest(),
        confidence=None,
        kept=None,
    )
    merged = replace(merged, models={word: merged.models[word] for word in merged.words})
    if first.confidence is None or any(own.confidence is None for own in others):
        return merged  # what is kept is of no use to a vocabulary that can't be taught
    states = {word: own for each in vocabularies for word, own in each.confidence.states.items()}  # type: ignore[union-attr]
    merged = replace(
        merged, confidence=replace(first.confidence, states={word: states[word] for word in merged.words})
    )
    if why_not_teachable(merged):
        return merged
    kept = [vocabulary.kept or Kept() for vocabulary in vocabularies]
    taught = {word: own for each in kept for word, own in each.taught.items()}
    trained = {word: model for own in vocabularies for word, model in trained_part(own)[0].items()}
    pool = next((own.pool for own in kept if own.pool is not None), None)
    recorded = tuple(recorded for own in kept for recorded in own.recorded)
    recorded = tuple(sorted(recorded, key=lambda own: (own.word.encode(), own.utt.encode())))
    held = Kept(recorded, taught, {word: trained[word] for word in taught if word in trained}, pool)
    return with_taught(replace(merged, kept=held), taught, anew=True)


def difference(first: Vocabulary, other: Vocabulary) -> str | None:
    """Say why the words of two vocabularies can't stand side by side; None where they can."""
    if first.family != other.family:
        return f"one is a {other.family}, the other a {first.family} (merge models of one family)"
    if not families.load(first.family).can_merge:
        return f"the words of a {first.family} have been trained together (train all of them in one)"
    mine, its = first.frontend, other.frontend
    made = mine.difference(its.dim, its.kind)
    if made:
        return f"their features differ: {made} (train both on features made alike)"
    if mine.transform != its.transform:
        values = zip(vars(mine.transform).items(), vars(its.transform).values(), strict=True)
        name, own, his = next((name, own, his) for (name, own), his in values if own != his)
        return f"{name}={his} and {name}={own} (train both with the same)"
    if mine.prior != its.prior:
        return (
            f"with cmvn={mine.transform.cmvn} each is normalised by the mean and variance of its own training, and hears no recording as the "
            "other does (train all words in one, both with cmvn=utterance, or teach one the other's words)"
        )
    if mine.projection != its.projection:
        return (
            "each is projected by its own training's pca or lda, or one is not at all, and hears no recording as the other does (train "
            "all words in one, or both without pca_dim and lda_dim)"
        )
    if (first.codebook is None) != (other.codebook is None) or (
        first.codebook is not None
        and other.codebook is not None
        and not same_arrays(first.codebook.to_arrays(), other.codebook.to_arrays())
    ):
        return "their codebooks differ (train both with one codebook.npz)"
    forms = [
        {name: a.ndim for name, a in next(iter(v.models.values())).to_arrays().items()}
        for v in (first, other)
    ]
    if forms[0] != forms[1]:
        return "their models are of another form (train both with the same settings)"
    return None


def same_arrays(some: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]) -> bool:
    """Whether arrays are equal, by name."""
    return some.keys() == others.keys() and all(np.array_equal(a, others[name]) for name, a in some.items())
