"""A chunk of recordings becomes features at once: each row says what it would say by itself, and few of a trimmed corpus are looked at."""

import functools
from pathlib import Path

import numpy as np
import pytest

from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.io.audio import write_wav
from asrkit.io.data_dir import read_data_dir
from asrkit.io.recordings import Recording
from asrkit.workflows import extraction
from asrkit.workflows.extraction import each, extract_chunk, warn_of_untrimmed

KIND = MfccConfig(8000)
OPTIONS = {
    "rate_hz": 8000,
    "base": Path(),
    "channel": 0,
    "strict": False,
    "allow_pipes": False,
    "allowed": (True, True),
}


@pytest.fixture
def chunk(tmp_path):
    """Recordings of 20 to 900 ms: with one that is missing, a silent one, one that is cut into parts, of which one is too short."""
    rng, out = np.random.default_rng(0), []
    for place, seconds in enumerate((0.3, 0.02, 0.9, 0.5, 0.2, 0.4)):
        path = tmp_path / f"{place}.wav"
        write_wav(path, rng.normal(0, 0 if place == 3 else 0.1, int(8000 * seconds)), 8000)
        parts = [(f"u{place}", 0.0, -1.0)]
        if place == 2:
            parts = [("a", 0.0, 0.3), ("b", 0.3, 0.31), ("c", 0.2, -1.0), ("d", 0.5, 1.5)]
        out.append(Recording(f"r{place}", str(path), parts))
    (tmp_path / "4.wav").unlink()
    return out


def plain(rows):
    return [(utt, None if feats is None else feats.tolist(), *rest) for utt, feats, *rest in rows]


@pytest.mark.parametrize("held", [1, 3000, 2**20])
def test_rows_do_not_depend_on_how_many_are_computed_at_once(chunk, monkeypatch, held):
    extract = functools.partial(extract_chunk, **OPTIONS, durations_s=(0.0, np.inf))
    alone = [
        row for recording in chunk for row in extract([recording], functools.partial(each, KIND.compute))
    ]
    monkeypatch.setattr(extraction, "HELD", held)
    calls = []
    rows = extract(chunk, lambda some: calls.append(len(some)) or KIND.compute_many(some))
    assert plain(rows) == plain(alone)
    assert sum(calls) == 6 and max(calls) == {1: 3, 3000: 5, 2**20: 6}[held]
    assert [utt for utt, *_ in rows] == ["u0", "u1", "a", "b", "c", "d", "u3", "u4", "u5"]
    reasons = {utt: reason for utt, *_, reason in rows if reason}
    assert sorted(reasons) == ["b", "d", "u1", "u3", "u4"]
    assert reasons["u1"] == "0.020 s, shorter than one window" and reasons["u3"] == "silent"
    for utt, feats, duration_s, *_ in rows:
        if utt not in reasons:
            assert len(feats) == int(round(duration_s * 8000) - 200) // 80 + 1


def test_features_that_can_not_be_used_are_named_among_others(chunk):
    def compute(recordings):
        return [
            np.full((1, 2), np.nan if len(samples) == 2400 else 1.0, np.float32) for samples in recordings
        ]

    rows = extract_chunk(chunk, compute, **OPTIONS, durations_s=(0.1, 0.65))
    reasons = {utt: reason for utt, *_, reason in rows}
    assert reasons["u0"] == reasons["a"] == "1 of 1 frames hold NaN or infinite values"
    assert reasons["u5"] is None and reasons["b"] == "0.010 s, less than min_duration=0.1"
    assert reasons["c"] == "0.700 s, more than max_duration=0.65"


@pytest.mark.parametrize("untrimmed, looked_at", [(0.0, 20), (0.2, 20), (0.25, 220), (0.9, 220)])
def test_few_recordings_tell_a_trimmed_corpus(tmp_path, monkeypatch, caplog, untrimmed, looked_at):
    utts = [f"u{place:03d}" for place in range(300)]
    (tmp_path / "wav.scp").write_text("".join(f"{utt} {utt}.wav\n" for utt in utts))
    (tmp_path / "text").write_text("".join(f"{utt} one\n" for utt in utts))
    counts = []

    def times_beside(wav, count, **_):
        counts.append(count)
        return [0.9 if place < untrimmed * count else 0.1 for place in range(count)]

    for module in ("extraction", "detect_endpoints"):
        monkeypatch.setattr(f"asrkit.workflows.{module}.times_beside", times_beside)
    warn_of_untrimmed(read_data_dir(tmp_path), 0, 1)
    assert sum(counts) == looked_at
    assert ("not trimmed, 0.90 s" in caplog.text) == (untrimmed > 0.5)
