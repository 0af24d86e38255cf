"""What a family's rules are told of the data: how many recordings, words and speakers there are."""

import statistics
from collections.abc import Collection, Mapping

from asrkit.config import parse_int
from asrkit.families.base import DataFacts
from asrkit.io.combine import side_table
from asrkit.io.data_dir import ORIGINALS, DataDir
from asrkit.io.durations import side_numbers


def data_facts(data: DataDir) -> DataFacts:
    """Count what a data directory holds; of frames it knows what utt2num_frames says.

    Parameters
    ----------
    data : DataDir
        With a word for each of its utterances that have features; without words they are one.
    """
    frames = side_numbers(data.path / "utt2num_frames", parse_int)
    return count_facts(
        {utt: data.text.get(utt, "") for utt in data.feats},
        data.utt2spk,
        [frames[utt] for utt in data.feats if utt in frames],
        side_table(data, ORIGINALS, data.feats),
    )


def count_facts(
    words: Mapping[str, str],
    speakers: Mapping[str, str] | None = None,
    frames: Collection[int] = (),
    originals: Mapping[str, str] | None = None,
) -> DataFacts:
    """Count recordings, words and speakers.

    Parameters
    ----------
    words : dict of str to str
        What each utterance says.
    speakers : dict of str to str, optional
        Who says it. One that is named like its utterance is nobody known; where most are not known, none are.
    frames : collection of int
        Of utterances, as far as they are known.
    originals : dict of str to str, optional
        Of copies: the utterance that they were made of.
    """
    speakers, originals = speakers or {}, originals or {}
    own = {originals.get(utt, utt): word for utt, word in words.items()}
    counts: dict[str, int] = {}
    for word in own.values():
        counts[word] = counts.get(word, 0) + 1
    known = [
        who
        for utt in words
        if (who := speakers.get(utt)) is not None and who not in (utt, originals.get(utt))
    ]
    return DataFacts(
        words=len(counts),
        recordings=statistics.median_low(counts.values() or [0]),
        fewest=min(counts.values(), default=0),
        speakers=len(set(known)) if 2 * len(known) > len(words) else None,
        frames=statistics.median_low(frames) if frames else None,
    )
