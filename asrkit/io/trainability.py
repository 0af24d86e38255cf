"""What training would refuse or warn of in a data directory, said before it begins, by the functions that refuse it."""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from asrkit import families
from asrkit.audio.endpoint import EndpointConfig
from asrkit.characters import alike_in_columns
from asrkit.errors import DataError
from asrkit.io.features import (
    ENDPOINT_RECORD,
    KIND_RECORD,
    read_kind,
    read_record,
    word_fault,
)
from asrkit.io.files import c_sorted
from asrkit.models.topology import choose_num_states

FAMILY = "chmm"  # the default of asrkit train

log = logging.getLogger("asrkit")


def record_faults(path: Path) -> list[str]:
    """Find what is wrong with the records of how features and segments were made."""
    faults = []
    try:
        read_kind(path / KIND_RECORD)
    except DataError as error:
        faults.append(str(error))
    try:
        read_record(EndpointConfig, path / ENDPOINT_RECORD)
    except DataError as error:
        faults.append(str(error))
    return faults


def word_faults(
    path: Path, words: Mapping[str, str], lines: Mapping[str, int], phrases: bool = False
) -> list[str]:
    """Find utterances that do not say one word, or phrase; `lines` is dict of utterance to the line of `text`."""
    faults = [
        f"{path}/text:{lines[utt]}: utterance '{utt}' {fault} (phrases=true where several words are one class, sentences=true where text "
        "is to hold several words)"
        for utt, word in words.items()
        if word and (fault := word_fault(word, phrases))
    ]
    alike = alike_in_columns(words.values())
    return [*faults, *([f"{path}/text: {alike}"] if alike and phrases else [])]


def vocabulary_faults(path: Path, words: Mapping[str, str], frames: Mapping[str, int]) -> list[str]:
    """Find words without a recording that can be used; warn of those with few, and of recordings that are too short.

    Parameters
    ----------
    words : dict of str to str
        What each utterance says.
    frames : dict of str to int
        Frames of those whose features can be used.
    """
    family = families.load(FAMILY)
    lengths: dict[str, dict[str, int]] = {word: {} for word in c_sorted(set(words.values()))}
    for utt, word in words.items():
        if utt in frames:
            lengths[word][utt] = frames[utt]
    few = [word for word, own in lengths.items() if 0 < len(own) < family.few_recordings]
    if few:
        log.warning(
            "%s/text: %d words have fewer than %d recordings (%s, ...): expect errors",
            path,
            len(few),
            family.few_recordings,
            few[0],
        )
    short = []
    for own in lengths.values():
        if own:
            block = SimpleNamespace(utts=tuple(own), lengths=np.array(list(own.values())))
            states = choose_num_states(block, family.Config())
            short += [
                f"{utt}: {count} frames < {states} states" for utt, count in own.items() if count < states
            ]
    if short:
        log.warning(
            "%s/feats.scp: %d recordings are too short for the models of their words (%s%s): asrkit train leaves them out, "
            "or stops (max_skipped=%d allows it; or cut them anew)",
            path,
            len(short),
            "; ".join(short[:3]),
            "; ..." * (len(short) > 3),
            len(short),
        )
    return [
        f"{path}/text: word '{word}' has no utterance that can be used (record it again)"
        for word, own in lengths.items()
        if not own
    ]
