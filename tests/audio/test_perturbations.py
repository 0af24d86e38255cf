"""Perturbations of samples: each does what it says, measured."""

import numpy as np
import pytest
from synthetic import RATE_HZ, word_samples
from test_perturb import level_db, loudest_hz, rng, tone

from asrkit.audio.perturbation import (
    Treatment,
    babble_noise,
    change_speed,
    change_tempo,
    impulse_response,
    mix,
    perturb,
    pink_noise,
    reverberate,
    stretch,
    warp,
)
from asrkit.errors import DataError

# The voice


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25])
@pytest.mark.parametrize("freq_hz", [110, 440, 1500])
def test_speed_tempo_and_warp_of_a_tone(factor, freq_hz):
    sound = tone(freq_hz)
    for changed, hz, seconds in (
        (change_speed(sound, factor), freq_hz * factor, 1 / factor),
        (change_tempo(sound, RATE_HZ, factor), freq_hz, 1 / factor),
        (warp(sound, RATE_HZ, factor), freq_hz * factor, 1),
    ):
        assert loudest_hz(changed) == pytest.approx(hz, rel=0.005)
        assert len(changed) == pytest.approx(seconds * RATE_HZ, abs=1)
        assert level_db(changed) == pytest.approx(level_db(sound), abs=0.3)


def test_tempo_keeps_the_tone_pure():
    changed = change_tempo(tone(440), RATE_HZ, 0.85)[400:-400]
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(len(changed)))) ** 2
    at = np.argmax(spectrum)
    assert spectrum[at - 20 : at + 21].sum() / spectrum.sum() > 0.99


@pytest.mark.parametrize("factor", [0.7, 0.9, 1.1, 1.4])
def test_where_a_word_has_its_parts_moves_with_the_tempo(factor):
    """A click after 0.2 s and the end of the sound come at their new times, and the sound lasts."""
    sound = np.concatenate([tone(300, 0.2) * 0.01, tone(300, 0.4), tone(300, 0.4) * 0.01])
    changed = change_tempo(sound, RATE_HZ, factor)
    loud = np.flatnonzero(np.convolve(changed**2, np.ones(40) / 40, "same") > 0.01)
    assert loud[0] / RATE_HZ == pytest.approx(0.2 / factor, abs=0.02)
    assert loud[-1] / RATE_HZ == pytest.approx(0.6 / factor, abs=0.02)


def test_a_factor_of_one_changes_nothing():
    sound = word_samples("one", rng())
    for changed in (change_speed(sound, 1.0), change_tempo(sound, RATE_HZ, 1.0), warp(sound, RATE_HZ, 1.0)):
        assert changed is sound


@pytest.mark.parametrize("count", [2, 3, 50, 500])
@pytest.mark.parametrize("rate_hz", [1000, 48000])
def test_sounds_of_a_few_samples(count, rate_hz):
    treatment = Treatment(noise="pink", snr=10.0, reverb=0.2, speed=0.9, tempo=1.2, warp=1.1)
    sound, _ = perturb(rng().uniform(-0.1, 0.1, count), rate_hz, treatment, room=rng(), noise=rng())
    assert np.isfinite(sound).all() and len(sound) == pytest.approx(count / 0.9 / 1.2, abs=1.5)


# The room


def decay_times(response, rate_hz):
    """RT60 by Schroeder's backward integration, from the fall between -5 and -25 dB."""
    energy_db = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2))
    here = np.flatnonzero((energy_db <= -5) & (energy_db >= -25))
    return -60 / np.polyfit(here / rate_hz, energy_db[here], 1)[0]


@pytest.mark.parametrize("rt60_s", [0.2, 0.4, 0.8])
@pytest.mark.parametrize("drr_db", [-3.0, 0.0, 4.0])
def test_reverberation_falls_as_stated(rt60_s, drr_db):
    for seed in range(3):
        response = impulse_response(16000, rt60_s, drr_db, rng(seed))
        assert decay_times(response, 16000) == pytest.approx(rt60_s, rel=0.15)
        assert 10 * np.log10(response[0] ** 2 / np.sum(response[1:] ** 2)) == pytest.approx(drr_db, abs=1e-9)


def test_reverberation_is_aligned_with_the_direct_sound():
    click = np.zeros(4000)
    click[1000] = 0.5
    sound = reverberate(click, RATE_HZ, 0.3, 0.0, rng())
    assert len(sound) == 4000
    np.testing.assert_allclose(sound[:1001], click[:1001], atol=1e-12)
    np.testing.assert_allclose(sound[1000:3424], 0.5 * impulse_response(RATE_HZ, 0.3, 0.0, rng()), atol=1e-12)
    assert decay_times(sound[1000:], RATE_HZ) == pytest.approx(0.3, rel=0.15)


# The noise


def octaves_db(samples, rate_hz):
    """Mean density in the octaves around 125, 250, 500, ... Hz, in dB."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    freqs_hz = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    centers_hz = 125 * 2.0 ** np.arange(6)
    return [
        10 * np.log10(power[(freqs_hz >= hz / 2**0.5) & (freqs_hz < hz * 2**0.5)].mean()) for hz in centers_hz
    ]


def test_white_noise_is_white():
    sound, _ = perturb(
        tone(440, 8.0, 16000) * 1e-3, 16000, Treatment(noise="white", snr=-50.0), room=rng(), noise=rng()
    )
    power = np.abs(np.fft.rfft(sound)) ** 2
    smooth = power[: len(power) // 50 * 50].reshape(-1, 50).mean(axis=1)
    assert np.exp(np.log(smooth).mean()) / smooth.mean() > 0.98  # spectral flatness, 1 for white
    assert np.ptp(octaves_db(sound, 16000)) < 1.0


def test_pink_noise_falls_by_three_db_an_octave():
    sound = pink_noise(1 << 17, 16000, rng())
    found = octaves_db(sound, 16000)
    slope = np.polyfit(np.arange(6), found, 1)[0]
    assert slope == pytest.approx(-10 * np.log10(2), abs=0.15)
    power = np.abs(np.fft.rfft(sound)) ** 2
    assert power[: 19 * len(sound) // 16000].sum() < 1e-6 * power.sum()  # nothing where nobody hears


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_the_ratio_is_that_of_the_energies(snr_db):
    sound = word_samples("two", rng()) + 0.1  # about their means: an offset is no sound
    noise = rng(1).uniform(-1, 1, len(sound)) + 3
    assert level_db(sound) - level_db(mix(sound, noise, snr_db) - sound) == pytest.approx(snr_db, abs=1e-4)
    with pytest.raises(DataError, match="silent"):
        mix(sound, np.full(len(sound), 0.5), snr_db)


def test_babble_is_a_sum_of_equals():
    """Each voice has the same power, however loud its recordings and however long."""
    loudness = {500: 0.001, 900: 1.0, 1400: 0.1}
    voices = [iter([tone(hz, 0.2) * gain, tone(hz, 0.3) * gain]) for hz, gain in loudness.items()]
    sound = babble_noise(8000, voices, rng())
    assert np.std(sound) == pytest.approx(3**0.5, rel=0.05)
    power = np.abs(np.fft.rfft(sound)) ** 2
    each = [power[hz - 60 : hz + 60].sum() for hz in loudness]
    np.testing.assert_allclose(each, np.mean(each), rtol=0.15)


def test_a_voice_is_heard_from_a_random_place():
    starts = {
        round(babble_noise(10, [[np.arange(1000.0)]], rng(seed))[0] * np.std(np.arange(1000)))
        for seed in range(50)
    }
    assert len(starts) > 40 and min(starts) < 100 and max(starts) > 900


def test_a_babbling_voice_is_asked_for_no_more_than_needed():
    asked = []

    def voice():
        while True:
            asked.append(1)
            yield tone(500, 0.1)

    babble_noise(2000, [voice()], rng())
    assert 3 <= len(asked) <= 4


def test_stretches_of_recorded_noise():
    ramp = np.arange(100.0)
    starts = set()
    for seed in range(300):
        part = stretch(40, ramp, rng(seed))
        np.testing.assert_array_equal(np.diff(part), 1)  # no seam where none is needed
        starts.add(part[0])
    assert min(starts) == 0 and max(starts) == 60
    assert stretch(100, ramp, rng()).tolist() == ramp.tolist()
    np.testing.assert_array_equal(np.diff(stretch(250, ramp, rng())) % 100, 1)  # round and round
