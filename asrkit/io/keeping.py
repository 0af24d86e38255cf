"""Which recordings of a training stay in its model, so that a word that is taught later can be held against them."""

from collections.abc import Mapping

from asrkit.io.features import FeatureSet
from asrkit.io.files import c_sorted
from asrkit.words.kept import Recorded

EACH = 5  # recordings of a word


def keep_recordings(features: FeatureSet, words: Mapping[str, str], most_bytes: int) -> tuple[Recorded, ...]:
    """Choose a few recordings of each word, of speakers as different as there are, and read their stored features.

    Parameters
    ----------
    features : FeatureSet
        All of which was gone through.
    words : dict of str to str
        What was said in each recording that may be kept.
    most_bytes : int
        That all of them may take; a word gets fewer where they would take more, and the others as many.
    """
    by_word: dict[str, dict[str, list[str]]] = {}
    for utt in c_sorted(words):
        by_word.setdefault(words[utt], {}).setdefault(features.data.speaker(utt), []).append(utt)
    for each in range(EACH, 0, -1):
        chosen = {word: spread(by_speaker, each) for word, by_speaker in by_word.items()}
        frames = sum(features.lengths[utt] for own in chosen.values() for utt in own)
        if frames * features.frontend.dim * 4 <= most_bytes:
            break
    else:
        return ()
    stored = features.stored([utt for own in chosen.values() for utt in own])
    return tuple(
        Recorded(word, utt, stored[utt]) for word in c_sorted(chosen) for utt in chosen[word] if utt in stored
    )


def spread(by_speaker: Mapping[str, list[str]], count: int) -> list[str]:
    """Draw so many utterances, each of another speaker while there are any, and then another of each."""
    speakers = list(by_speaker)
    if len(speakers) > count:
        return [by_speaker[speakers[place * len(speakers) // count]][0] for place in range(count)]
    rounds = [own[turn] for turn in range(count) for own in by_speaker.values() if turn < len(own)]
    return rounds[:count]
