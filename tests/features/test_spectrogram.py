import librosa
import numpy as np
import pytest

from asrkit.features.spectrogram import MOST_COLUMNS, mel_power_db, slaney_hz, spectrogram


def tone(hz, rate_hz, seconds):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_a_tone_lies_in_the_band_nearest_to_it_while_it_sounds(rate_hz):
    samples = np.concatenate([np.zeros(rate_hz // 2), tone(1000, rate_hz, 0.5)])
    picture = spectrogram(samples, rate_hz)
    assert picture.levels.shape == (48, 200) and picture.hop_s == pytest.approx(0.005)
    peaks = picture.levels.argmax(axis=0)
    assert (peaks[105:] == np.abs(picture.centers_hz - 1000).argmin()).all()
    assert picture.levels[:, :95].max() == 0 and picture.levels.max() == 255


def test_levels_are_decibels_below_the_loudest():
    loud, soft = tone(1000, 8000, 0.5), tone(1000, 8000, 0.5) / 10
    picture = spectrogram(np.concatenate([loud, soft]), 8000)
    down = 255 - picture.levels[:, 150:190].max()
    assert down * picture.range_db / 255 == pytest.approx(20, abs=0.3)
    assert spectrogram(loud, 8000).top_db - spectrogram(soft, 8000).top_db == pytest.approx(20, abs=1e-3)


@pytest.mark.parametrize("num_samples", [0, 1, 5, 39, 40, 41, 1000, 8000 * 30])
def test_any_length_has_a_picture_and_a_long_one_no_more_columns(num_samples):
    samples = np.random.default_rng(0).normal(0, 0.1, num_samples)
    picture = spectrogram(samples, 8000)
    bands, columns = picture.levels.shape
    assert bands == 48 and 1 <= columns <= MOST_COLUMNS
    assert picture.hop_s * columns == pytest.approx(max(num_samples, 1) / 8000, abs=0.006)


def test_silence_is_black_and_the_loudest_sound_is_a_number():
    assert spectrogram(np.zeros(800), 8000).levels.min() >= 0
    assert np.isfinite(spectrogram(np.full(800, 1e30), 8000).top_db)


def test_the_bands_of_what_was_recorded_at_a_lower_rate_end_there():
    picture = spectrogram(tone(1000, 16000, 0.3), 16000, highest_hz=4000)
    assert 3500 < picture.centers_hz[-1] < 4000
    assert np.abs(picture.centers_hz - 1000).argmin() == picture.levels[:, 20].argmax()


@pytest.mark.parametrize("rate_hz", [8000, 44100])
@pytest.mark.parametrize("num_samples", [4000, 200001])  # the latter goes in several blocks
def test_mel_power_is_librosas(rate_hz, num_samples):
    rng = np.random.default_rng(1)
    samples = (rng.normal(0, 0.1, num_samples) * np.hanning(num_samples) ** 9).astype(np.float32)
    hop, num_fft = round(0.01 * rate_hz), 1 << (round(0.025 * rate_hz) - 1).bit_length()
    power = librosa.feature.melspectrogram(
        y=samples, sr=rate_hz, n_fft=num_fft, hop_length=hop, n_mels=32, power=2.0
    )
    mine = mel_power_db(samples, rate_hz, hop, num_fft, 32)
    np.testing.assert_allclose(mine, librosa.power_to_db(power, top_db=None), atol=1e-3)
    np.testing.assert_allclose(slaney_hz(34, rate_hz / 2), librosa.mel_frequencies(34, fmax=rate_hz / 2))


def test_mel_power_of_silence_and_of_nothing():
    assert mel_power_db(np.zeros(300), 8000, 80, 256, 32) == pytest.approx(-100)
    assert mel_power_db(np.zeros(0), 8000, 80, 256, 32).shape == (32, 1)
