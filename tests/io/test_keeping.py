"""Which recordings of a training stay in its model."""

from collections import Counter

import numpy as np
import pytest

from asrkit.features.transform import TransformConfig
from asrkit.io.features import features_of_arrays
from asrkit.io.keeping import keep_recordings, spread


@pytest.fixture
def features():
    """Two words of eight and of two speakers, two recordings each; frames of a word are as many as the speaker's number and 4."""
    arrays, words, speakers = {}, {}, {}
    for word, count in (("no", 8), ("yes", 2)):
        for speaker in range(count):
            for take in range(2):
                utt = f"s{speaker}-{word}-{take}"
                arrays[utt] = np.random.default_rng(speaker).normal(size=(4 + speaker, 3)).astype(np.float32)
                words[utt], speakers[utt] = word, f"s{speaker}"
    held = features_of_arrays(
        arrays, words, speakers, transform_config=TransformConfig(cmvn="utterance"), warps=(1.0,)
    )
    assert len(list(held)) == len(arrays)
    return held, arrays


def test_speakers_are_as_different_as_there_are(features):
    held, arrays = features
    kept = keep_recordings(held, held.data.text, 1 << 20)
    assert Counter(own.word for own in kept) == {"no": 5, "yes": 4}
    assert [own.utt for own in kept if own.word == "no"] == [f"s{n}-no-0" for n in (0, 1, 3, 4, 6)]
    assert {own.utt for own in kept if own.word == "yes"} == {
        f"s{n}-yes-{take}" for n in (0, 1) for take in (0, 1)
    }
    for own in kept:
        np.testing.assert_array_equal(own.feats, arrays[own.utt])


@pytest.mark.parametrize(("bytes_", "counts"), [(0, []), (4 + 4, [1, 1]), (4 + 8 + 4 + 5, [2, 2])])
def test_they_take_no_more_room_than_they_may(features, bytes_, counts):
    held, _ = features
    kept = keep_recordings(held, held.data.text, bytes_ * 3 * 4)
    assert [count for _, count in sorted(Counter(own.word for own in kept).items())] == counts


def test_each_speaker_comes_once_before_any_comes_twice():
    by_speaker = {"a": ["a0", "a1", "a2"], "b": ["b0"], "c": ["c0", "c1"]}
    assert spread(by_speaker, 5) == ["a0", "b0", "c0", "a1", "c1"]
    assert spread(by_speaker, 2) == ["a0", "b0"]
