"""Words found in sound that comes piece by piece."""

import numpy as np
import pytest
from streams import random_words, stream_of
from synthetic import RATE_HZ

from asrkit.audio.word_detector import WordDetector, WordDetectorConfig
from asrkit.errors import SettingsError

MS = RATE_HZ // 1000


def found(samples, size=80, rate_hz=RATE_HZ, **settings):
    detector, out = WordDetector(rate_hz, WordDetectorConfig(**settings)), []
    for start in range(0, len(samples), size):
        out += detector.push(samples[start : start + size])
    return out + detector.close()


def each_one_whole(stretches, places, lost_ms=40):
    """Whether there is one stretch for each place, and no other, which holds it but for its faint ends."""
    return len(stretches) == len(places) and all(
        a <= start + lost_ms * MS and b >= end - lost_ms * MS and a > start - 250 * MS and b < end + 250 * MS
        for (a, b), (start, end) in zip(stretches, places, strict=True)
    )


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.002, 0.01])
def test_every_word_is_cut_whole(noise):
    rng = np.random.default_rng(1)
    samples, places = stream_of(random_words(rng, 25), rng, noise)
    assert each_one_whole(found(samples), places)


def test_how_the_sound_is_cut_into_pieces_changes_nothing():
    rng = np.random.default_rng(2)
    samples, _ = stream_of(random_words(rng, 8), rng)
    once = found(samples, len(samples))
    assert len(once) == 8
    for size in (7, 81, 4001):
        assert found(samples, size) == once
    sizes = np.cumsum(rng.integers(1, 999, size=500))
    detector, out = WordDetector(RATE_HZ), []
    for piece in np.split(samples, sizes[sizes < len(samples)]):
        out += detector.push(piece)
    assert out + detector.close() == once


@pytest.mark.parametrize("change", [lambda x: 0.01 * x, lambda x: 0.1 * x + 0.8, lambda x: -x])
def test_level_offset_and_sign_have_no_say(change):
    rng = np.random.default_rng(3)
    samples, places = stream_of(random_words(rng, 10), rng, noise=0.004)
    assert each_one_whole(found(change(samples)), places)


def test_another_rate_finds_the_same():
    import soxr

    rng = np.random.default_rng(4)
    samples, places = stream_of(random_words(rng, 10), rng)
    faster = found(soxr.resample(samples, RATE_HZ, 44100), 441, 44100)
    assert each_one_whole([(a * RATE_HZ // 44100, b * RATE_HZ // 44100) for a, b in faster], places)


def test_a_word_is_told_a_quarter_of_a_second_after_it_has_ended():
    rng = np.random.default_rng(5)
    samples, places = stream_of(random_words(rng, 10), rng)
    detector, told = WordDetector(RATE_HZ), []
    for start in range(0, len(samples), 80):
        told += [(start + 80 - end, end) for _, end in detector.push(samples[start : start + 80])]
    waits = [wait + 50 * MS for wait, _ in told]  # since the end without padding
    assert len(waits) == len(places) and max(waits) <= 300 * MS


def test_it_hears_no_word_in_what_is_none():
    rng = np.random.default_rng(6)
    noise = 0.01 * rng.standard_normal(10 * RATE_HZ)
    assert found(noise) == []
    assert found(np.zeros(10 * RATE_HZ)) == []
    clicks = noise.copy()
    clicks[RATE_HZ :: 2 * RATE_HZ] += 0.9
    assert found(clicks) == []
    t = np.arange(10 * RATE_HZ) / RATE_HZ
    assert found(noise + 0.3 * np.sin(2 * np.pi * 50 * t)) == []


def test_the_noise_follows_the_room():
    """A fan comes on: after a stretch that is the change itself, words are found as before; and when it stops."""
    rng = np.random.default_rng(7)
    samples, places = stream_of(random_words(rng, 36), rng, noise=0.0)
    gain = np.where(np.arange(len(samples)) // (len(samples) // 3) == 1, 0.02, 0.001)
    stretches = found(samples + gain * rng.standard_normal(len(samples)))
    third, settled = len(samples) // 3, 4 * RATE_HZ
    for part in range(3):
        here = [place for place in places if part * third + settled < place[0] < (part + 1) * third - RATE_HZ]
        assert len(here) >= 5
        theirs = [own for own in stretches if here[0][0] - 2000 < own[0] < here[-1][1]]
        assert each_one_whole(theirs, here, 60)


def test_the_clearer_a_word_the_nearer_its_ends():
    """Under noise its edges can't be seen, so that more is kept beside it."""
    beside = {}
    for noise in (0.002, 0.05):
        rng = np.random.default_rng(13)
        samples, places = stream_of(random_words(rng, 10), rng, noise)
        bare, kept = (found(samples, **settings) for settings in ({"padding_ms": 0}, {}))
        assert len(bare) == len(kept) == len(places)
        beside[noise] = [b - a - (d - c) for (a, b), (c, d) in zip(kept, bare, strict=True)]
    assert beside[0.002] == [0] * 10 and beside[0.05] == [100 * MS] * 10


def test_a_stretch_that_does_not_end_is_ended():
    rng = np.random.default_rng(8)
    samples = 0.001 * rng.standard_normal(12 * RATE_HZ)
    samples[2 * RATE_HZ :] += np.repeat(rng.uniform(0.01, 0.5, 500), 160) * rng.standard_normal(10 * RATE_HZ)
    stretches = found(samples, longest_ms=1000)
    assert len(stretches) > 1 and all(b - a <= 1300 * MS for a, b in stretches)


def test_what_is_begun_is_given_at_the_end():
    rng = np.random.default_rng(9)
    samples, ((start, end),) = stream_of(["three"], rng)
    middle = (start + end) // 2
    ((a, b),) = found(samples[:middle])
    assert abs(a - start) < 120 * MS and middle - 25 * MS <= b <= middle
    ((_, padded),) = found(samples[:middle], padding_ms=50)
    assert padded == middle


def test_a_recording_without_any_pause_is_a_word():
    rng = np.random.default_rng(10)
    samples, ((start, end),) = stream_of(["four"], rng)
    assert len(found(samples[start:end])) == 1


def test_a_longer_pause_joins_what_lies_nearer():
    rng = np.random.default_rng(11)
    samples, _ = stream_of(random_words(rng, 6), rng, gap_s=(0.35, 0.4))
    assert len(found(samples)) == 6 and len(found(samples, pause_ms=800)) == 1


def test_what_is_needed_stays_short_through_long_silence():
    rng = np.random.default_rng(12)
    detector = WordDetector(RATE_HZ)
    for minute in range(2):
        assert detector.push(0.001 * rng.standard_normal(30 * RATE_HZ)) == []
        assert detector.needed > (minute + 1) * 30 * RATE_HZ - RATE_HZ
    assert not detector.open


def test_settings_that_are_none_are_refused():
    with pytest.raises(SettingsError, match="pause_ms=0"):
        WordDetectorConfig(pause_ms=0)
    with pytest.raises(SettingsError, match="shortest_ms=1500 and longest_ms=500"):
        WordDetectorConfig(shortest_ms=1500, longest_ms=500)
