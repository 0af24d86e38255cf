"""Recordings with fewer frames than their word has states: which they are, and which of them count as an error."""

from collections.abc import Collection, Mapping
from typing import Any

from asrkit import families
from asrkit.models.base import WordModel, is_recording
from asrkit.models.topology import most_left_out


def too_short(source: Any, model: WordModel) -> dict[str, str]:
    """Recordings with fewer frames than the shortest path through the model: dict of utterance to reason.

    Parameters
    ----------
    source : BlockSource with `utts` and `lengths`
        The word's.
    model : WordModel
    """
    shortest = model.shortest
    return {
        utt: f"{length} frames < {shortest} states"
        for utt, length in zip(source.utts, source.lengths, strict=True)
        if length < shortest and is_recording(utt)
    }


def counted_short(
    short: Mapping[str, Mapping[str, str]], sources: Mapping[str, Any], *, asked: bool
) -> dict[str, str]:
    """Those of the recordings that are too short, by word, which count against max_skipped.

    Where nobody `asked` for so many states, a word may lose `most_left_out`.
    """
    counted: dict[str, str] = {}
    for word, own in short.items():
        free = 0 if asked else most_left_out(sum(map(is_recording, sources[word].utts)))
        if len(own) > free:
            counted.update(own)
    return counted


def free_in_decoding(family_name: str, config: Any, count: int, ruled: Collection[str] = ()) -> int:
    """How many of so many recordings may be too short for every word without being counted against max_skipped.

    As many as a word may lose in training; none where another number of states was asked for than the family has by itself, or by
    the data (`ruled`: the names of settings that these chose).
    """
    family = families.load(family_name)
    own = "num_states" in ruled or family.wanted_states(config) == family.wanted_states(family.Config())
    return most_left_out(count) if own else 0
