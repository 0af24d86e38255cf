"""A share of a data directory without the rest of it: which utterances are in it is known before any is read."""

import copy
from collections import deque
from dataclasses import replace

from asrkit.config import parse_int
from asrkit.errors import DataError
from asrkit.io.files import read_numbers

LENGTHS = "utt2num_frames"


def own_features(features, share):
    """Leave of a FeatureSet the utterances of a share, by the lengths that compute-mfcc has noted.

    All stay where one lacks its length, or features are normalised by what the speaker said before.

    Parameters
    ----------
    features : FeatureSet
    share : asrkit.io.store.Share
        Just begun.

    Returns
    -------
    features : FeatureSet
    takes : callable
        What `Store` keeps of them; it raises a DataError where an utterance has another length than was noted, for then the blocks of other
        shares may be wrong, too.
    """
    path = features.data.path / LENGTHS
    if "speaker" in features.memories or not path.exists():
        return features, share.takes
    lengths = read_numbers(path, parse_int)
    if not features.data.feats.keys() <= lengths.keys():
        return features, share.takes
    own, expected = {}, deque()
    for utt, entry in features.data.feats.items():
        word = features.word(utt)
        taken = [share.takes(word, lengths[utt]) for _ in range(features.num_copies)]
        if any(taken):
            own[utt] = entry
            expected += [(utt, lengths[utt], one) for one in taken]
    alone = copy.copy(features)
    alone.data = replace(features.data, feats=own)
    alone.skipped, alone.lengths = {}, {}

    def takes(word, length):
        utt, noted, taken = expected.popleft() if expected else ("", None, False)
        if noted != length:
            check_whole(alone)  # what lacks has moved the others
            raise DataError(
                f"{path}: '{utt}': {noted} frames, where it has {length} (asrkit compute-mfcc writes it anew)"
            )
        return taken

    return alone, takes


def check_whole(features):
    """Raise a DataError where an utterance of a share can't be used: other shares don't know, and have cut their blocks with it."""
    for utt, why in features.skipped.items():
        raise DataError(
            f"{features.place('feats.scp')}: utterance '{utt}': {why} (asrkit fix-data leaves it out; without {LENGTHS} each share reads all)"
        )
