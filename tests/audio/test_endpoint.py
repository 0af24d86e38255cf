"""Endpoints: words put into noise are found again, and what is no word is not."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
import soundfile
from scipy import ndimage, signal
from scipy.signal import butter, sosfilt, sosfilt_zi

from asrkit.audio.endpoint import EndpointConfig, _running_median, detect_endpoints, find_speech
from asrkit.audio.frame_levels import HighPass, measure_frames, median, percentile
from asrkit.cli.main import main
from asrkit.errors import DataError, SettingsError
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import ReadConfig, read_record
from asrkit.workflows.detect_endpoints import detect_endpoints as detect_in_data

RATE_HZ = 8000
EXACT = EndpointConfig(padding_ms=0.0)


def noise(duration_s, level_db, seed=0):
    """White noise; levels are in dB relative to full scale."""
    samples = np.random.default_rng(seed).standard_normal(round(duration_s * RATE_HZ))
    return samples / samples.std() * 10 ** (level_db / 20)


def vowel(duration_s, level_db, seed=0):
    """Harmonics of 120 Hz with a random phase, falling with the frequency."""
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, 12)
    samples = sum(np.sin(2 * np.pi * 120 * (k + 1) * t + phase) / (k + 1) for k, phase in enumerate(phases))
    return samples / samples.std() * 10 ** (level_db / 20)


def hiss(duration_s, level_db, seed=0):
    """A weak fricative: noise above 2.5 kHz."""
    samples = noise(duration_s, 0, seed)
    spectrum = np.fft.rfft(samples)
    spectrum[: round(2500 * duration_s)] = 0
    samples = np.fft.irfft(spectrum, len(samples))
    return samples / samples.std() * 10 ** (level_db / 20)


def silence(duration_s):
    return np.zeros(round(duration_s * RATE_HZ))


def recording(*parts, noise_db=None, seed=99):
    samples = np.concatenate(parts)
    if noise_db is not None:
        samples = samples + noise(len(samples) / RATE_HZ, noise_db, seed)
    return samples.astype(np.float32)


WORDS = {
    "vowel": vowel(0.5, -20),
    "burst": noise(0.5, -20),
    "long": vowel(1.5, -15),
    "short": vowel(0.15, -20),
    "two syllables": recording(vowel(0.2, -20), silence(0.15), vowel(0.2, -25)),
    "weak ends": recording(vowel(0.1, -32), vowel(0.3, -15), vowel(0.1, -32)),
}


@pytest.mark.parametrize("noise_db", [-70, -60, -50])
@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_the_word_is_found_and_the_pauses_are_cut(word, noise_db):
    samples = recording(silence(0.6), word, silence(0.8), noise_db=noise_db)
    start_s, end_s = detect_endpoints(samples, RATE_HZ, EXACT)
    assert start_s == pytest.approx(0.6, abs=0.03)
    assert end_s == pytest.approx(0.6 + len(word) / RATE_HZ, abs=0.03)


@pytest.mark.parametrize("noise_db", [-70, -60])
def test_weak_fricatives_at_the_edges_belong_to_the_word(noise_db):
    level_db = noise_db + 2  # too weak for the energy alone: a seventh of the way to the peak is more
    # a room's noise is low
    rumble = np.convolve(noise(2.2, noise_db, 5), np.ones(8) / 8, "same") * 8**0.5
    samples = (
        recording(silence(0.6), hiss(0.12, level_db), vowel(0.4, -10), hiss(0.1, level_db, 1), silence(0.98))
        + rumble
    )
    start_s, end_s = detect_endpoints(samples, RATE_HZ, EXACT)
    assert start_s == pytest.approx(0.6, abs=0.03)
    assert end_s == pytest.approx(1.22, abs=0.03)
    start_s, end_s = detect_endpoints(samples, RATE_HZ, dataclasses.replace(EXACT, crossing_ms=0.0))
    assert start_s == pytest.approx(0.72, abs=0.03)
    assert end_s == pytest.approx(1.12, abs=0.03)


def test_frames_of_broken_samples_do_not_drift():
    rate_hz = 11025  # 10 ms are 110.25 samples
    samples = recording(
        silence(20 * rate_hz / RATE_HZ), vowel(0.5 * rate_hz / RATE_HZ, -20), silence(1), noise_db=-60
    )
    start_s, end_s = detect_endpoints(samples, rate_hz, EXACT)
    assert start_s == pytest.approx(20, abs=0.03) and end_s == pytest.approx(20.5, abs=0.03)


@pytest.mark.parametrize("hum_db", [-200, -90])
def test_digital_silence_around(hum_db):
    """What is below hearing is no speech, even where the rest is zeros."""
    hum = noise(0.3, hum_db)
    start_s, end_s = detect_endpoints(
        recording(silence(0.5), hum, WORDS["vowel"], hum, silence(0.5)), RATE_HZ, EXACT
    )
    assert start_s == pytest.approx(0.8, abs=0.03) and end_s == pytest.approx(1.3, abs=0.03)


def test_a_breath_before_the_word_is_no_part_of_it():
    """Nearer than a pause inside a word may be, but never as loud as speech."""
    samples = recording(
        silence(0.4), vowel(0.2, -48), silence(0.1), WORDS["vowel"], silence(0.5), noise_db=-60
    )
    np.testing.assert_allclose(detect_endpoints(samples, RATE_HZ, EXACT), (0.7, 1.2), atol=0.03)


SILENT = {
    "no samples": silence(0),
    "shorter than a window": vowel(0.02, -10),
    "digital silence": silence(1),
    "offset": silence(1) + 0.3,
    "hum below hearing": noise(1, -90),
    "one click": recording(silence(0.5), [0.9], silence(0.5), noise_db=-60),
    "a short burst": recording(silence(0.5), vowel(0.05, -20), silence(0.5), noise_db=-60),
}


@pytest.mark.parametrize("samples", SILENT.values(), ids=SILENT)
def test_nothing_to_find(samples):
    assert detect_endpoints(samples.astype(np.float32), RATE_HZ) is None


def test_shortest_word():
    samples = recording(silence(0.5), vowel(0.05, -20), silence(0.5), noise_db=-60)
    assert detect_endpoints(samples, RATE_HZ) is None
    start_s, end_s = detect_endpoints(samples, RATE_HZ, EndpointConfig(min_speech_ms=30.0, padding_ms=0.0))
    assert start_s == pytest.approx(0.5, abs=0.03) and end_s == pytest.approx(0.55, abs=0.03)


@pytest.mark.parametrize("word", [WORDS["vowel"], WORDS["burst"], WORDS["long"]])
def test_a_trimmed_recording_stays_nearly_whole(word):
    start_s, end_s = detect_endpoints(recording(word, noise_db=-60), RATE_HZ)
    assert start_s == 0 and end_s == pytest.approx(len(word) / RATE_HZ, abs=0.03)


@pytest.mark.parametrize("place_s", [0.1, 1.7])
@pytest.mark.parametrize("length", [1, 40])
def test_clicks_are_no_speech(place_s, length):
    samples = recording(silence(0.6), WORDS["vowel"], silence(0.8), noise_db=-60)
    without = detect_endpoints(samples, RATE_HZ)
    place = round(place_s * RATE_HZ)
    samples[place : place + length] += 0.5
    np.testing.assert_allclose(detect_endpoints(samples, RATE_HZ), without, atol=0.011)


@pytest.mark.parametrize("rate_hz", [8000, 44100])
@pytest.mark.parametrize("gap_s", [-0.25, 0.2])
def test_a_click_near_the_word_is_no_part_of_it(gap_s, rate_hz):
    scale = rate_hz / RATE_HZ
    samples = recording(silence(0.7 * scale), spoken(rate_hz=rate_hz), silence(0.7 * scale), noise_db=-60)
    samples[round(((0.7 if gap_s < 0 else 1.2) + gap_s) * rate_hz)] += 0.9
    found = detect_endpoints(samples, rate_hz, EXACT)
    np.testing.assert_allclose(found, (0.7, 1.2), atol=0.05)


def test_the_stronger_of_two_stretches_is_the_word():
    word, cough = WORDS["vowel"], vowel(0.2, -26)
    for first, second, expected in ((word, cough, (0.4, 0.9)), (cough, word, (1.0, 1.5))):
        samples = recording(silence(0.4), first, silence(0.4), second, silence(0.4), noise_db=-60)
        np.testing.assert_allclose(detect_endpoints(samples, RATE_HZ, EXACT), expected, atol=0.03)
        both = detect_endpoints(samples, RATE_HZ, EndpointConfig(max_gap_ms=500.0, padding_ms=0.0))
        np.testing.assert_allclose(both, (0.4, 1.5), atol=0.03)


@pytest.mark.parametrize("padding_ms", [0.0, 50.0, 200.0, 5000.0])
@pytest.mark.parametrize("before_s", [0.0, 0.02, 0.6])
@pytest.mark.parametrize("after_s", [0.02, 0.6])
def test_padding_stays_inside(padding_ms, before_s, after_s):
    samples = recording(silence(before_s), WORDS["vowel"], silence(after_s), silence(0.3), noise_db=-60)
    exact = detect_endpoints(samples, RATE_HZ, EXACT)
    start_s, end_s = detect_endpoints(samples, RATE_HZ, EndpointConfig(padding_ms=padding_ms))
    assert start_s == pytest.approx(max(0, exact[0] - padding_ms / 1000), abs=0.013)
    assert end_s == pytest.approx(min(len(samples) / RATE_HZ, exact[1] + padding_ms / 1000), abs=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_found_lies_in_the_recording(seed):
    rng = np.random.default_rng(seed)
    makers = (
        lambda s: silence(s),
        lambda s: noise(s, rng.uniform(-80, 0)),
        lambda s: vowel(s, rng.uniform(-60, -5)),
    )
    parts = [makers[rng.integers(3)](rng.uniform(0.01, 0.6)) for _ in range(rng.integers(1, 7))]
    rate_hz = int(rng.choice([8000, 11025, 44100]))
    samples = recording(*parts, noise_db=rng.choice([None, -70, -40]), seed=seed)
    found = detect_endpoints(
        samples, rate_hz, EndpointConfig(padding_ms=rng.uniform(0, 300), min_speech_ms=0.0)
    )
    if found is not None:
        assert 0 <= found[0] < found[1] <= len(samples) / rate_hz
    config = EndpointConfig()
    found = detect_endpoints(samples, rate_hz, config)
    if found not in (None, (0.0, len(samples) / rate_hz)):
        assert found[1] - found[0] >= 0.1


@pytest.mark.parametrize("gain", [0.1, 0.3, 0.7])
@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_loudness_does_not_matter(word, gain):
    samples = recording(silence(0.6), word, silence(0.8), noise_db=-55)
    expected = detect_endpoints(samples, RATE_HZ)
    np.testing.assert_allclose(detect_endpoints(gain * samples, RATE_HZ), expected, atol=0.011)
    np.testing.assert_allclose(detect_endpoints(samples + np.float32(0.1), RATE_HZ), expected, atol=0.011)


# what is beside the word in recordings of the world


def spoken(level_db=-20, duration_s=0.5, rate_hz=RATE_HZ):
    """A voice that falls from 140 to 110 Hz while its formants move, as no tone does."""
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    along = t / duration_s
    phase = 2 * np.pi * np.cumsum(140 - 30 * along) / rate_hz
    samples = np.zeros(len(t))
    for k in range(1, 25):
        hz = k * (140 - 30 * along)
        gain = sum(
            1 / (1 + ((hz - (a + (b - a) * along)) / 80) ** 2)
            for a, b in ((730, 270), (1090, 2290), (2440, 3010))
        )
        samples += np.where(hz < rate_hz / 2, gain, 0) * np.sin(k * phase)
    return samples / samples.std() * 10 ** (level_db / 20)


def tone(*hz, duration_s=0.2, gain=0.5, rate_hz=RATE_HZ):
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    return gain / len(hz) * sum(np.sin(2 * np.pi * own * t) for own in hz)


def decaying(hz, duration_s=0.15, rate_hz=RATE_HZ):
    return tone(hz, duration_s=duration_s, gain=0.8, rate_hz=rate_hz) * np.exp(
        -20 * np.arange(round(duration_s * rate_hz)) / rate_hz
    )


BESIDE = {
    "beep": (lambda r: tone(1000, rate_hz=r), "a steady tone beside the word"),
    "low beep": (lambda r: tone(440, rate_hz=r), "a steady tone beside the word"),
    "long beep": (lambda r: tone(2500, duration_s=0.4, rate_hz=r), "a steady tone beside the word"),
    "beep as loud as the word": (lambda r: tone(1000, gain=0.14, rate_hz=r), "a steady tone beside the word"),
    "dialled digit": (lambda r: tone(770, 1336, rate_hz=r), "a steady tone beside the word"),
    "two beeps": (
        lambda r: np.concatenate([tone(800, rate_hz=r), tone(1200, rate_hz=r)]), "a steady tone beside the word"
    ),
    "short beep": (lambda r: tone(1000, duration_s=0.1, rate_hz=r), "a steady tone beside the word"),
    "short low beep": (lambda r: tone(440, duration_s=0.1, rate_hz=r), "a steady tone beside the word"),
    "lower beep": (lambda r: tone(250, rate_hz=r), "a steady tone beside the word"),
    "two beeps with a pause": (
        lambda r: np.concatenate([tone(1000, duration_s=0.1, rate_hz=r), np.zeros(r // 10)] * 2),
        "a steady tone beside the word",
    ),
    "buzzer": (lambda r: 0.3 * np.sign(tone(400, rate_hz=r)), "a steady tone beside the word"),
    "thump at 40 Hz": (lambda r: decaying(40, rate_hz=r), None),
    "thump at 60 Hz": (lambda r: decaying(60, rate_hz=r), None),
    "step of the offset": (lambda r: np.full(r // 10, 0.3), ""),
    "long step down": (lambda r: np.full(r // 3, -0.4), ""),
    "click of one sample": (lambda r: np.array([0.9]), ""),
    "click": (lambda r: np.full(r // 200, 0.9), ""),
}  # fmt: skip


@pytest.mark.parametrize(("place_s", "rate_hz"), [(0.0, 8000), (0.05, 44100), (1.6, 16000)])
@pytest.mark.parametrize(("make", "doubt"), BESIDE.values(), ids=BESIDE)
def test_what_lies_beside_the_word_is_not_taken_for_it(make, doubt, place_s, rate_hz):
    """Nor the choice between two stretches made in silence; `doubt` None leaves open whether they are two."""
    scale = rate_hz / RATE_HZ
    samples = recording(silence(0.7 * scale), spoken(rate_hz=rate_hz), silence(1.1 * scale), noise_db=-60)
    other, place = make(rate_hz), round(place_s * rate_hz)
    samples[place : place + len(other)] += other[: len(samples) - place].astype(np.float32)
    found = find_speech([samples], rate_hz, EXACT)
    np.testing.assert_allclose((found.start_s, found.end_s), (0.7, 1.2), atol=0.05)
    if doubt is not None:
        assert found.doubt.endswith(doubt) and bool(found.doubt) == bool(doubt)


@pytest.mark.parametrize("noise_db", [-70, -60, -50, -40])
@pytest.mark.parametrize(
    "zeros", ["before", "after", "both", "inside the pause", "one value", "one step", "two seconds"]
)
def test_digital_silence_is_no_noise_level(zeros, noise_db):
    samples = recording(silence(0.6), spoken(), silence(0.6), noise_db=noise_db)
    expected = np.array(detect_endpoints(samples, RATE_HZ))
    none, shift_s = np.zeros(round(0.3 * RATE_HZ), np.float32), 0.0
    if zeros in ("before", "both", "one value", "one step"):
        if zeros == "one step":  # of 16 bit: the dither of a converter
            none = np.random.default_rng(0).integers(-1, 2, len(none)).astype(np.float32) / 32768
        samples, shift_s = np.concatenate([none + 0.1 * (zeros == "one value"), samples]), 0.3
    if zeros in ("after", "both"):
        samples = np.concatenate([samples, none])
    if zeros == "inside the pause":
        samples[1000:3400] = 0
    if zeros == "two seconds":
        samples = np.concatenate([samples, np.zeros(2 * RATE_HZ, np.float32)])
    np.testing.assert_allclose(detect_endpoints(samples, RATE_HZ), expected + shift_s, atol=0.025)


@pytest.mark.parametrize("seed", range(5))
def test_a_word_in_noise_of_10_db(seed):
    """With a weaker end, 4 dB above the noise."""
    samples = recording(silence(0.6), spoken(), spoken(-26, 0.2), silence(0.8), noise_db=-30, seed=seed)
    start_s, end_s = detect_endpoints(samples, RATE_HZ, EXACT)
    assert start_s < 0.65 and end_s > 1.28
    assert max(0, 0.6 - start_s) + max(0, end_s - 1.3) < 0.05


def band(duration_s, low_hz, high_hz, level_db, seed=0):
    """Noise of one band."""
    sos = butter(6, (low_hz, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    samples = sosfilt(sos, noise(duration_s, 0, seed))
    return samples / samples.std() * 10 ** (level_db / 20)


@pytest.mark.parametrize("hz", [(150, 500), (1500, 3800)], ids=["a nasal", "a fricative"])
@pytest.mark.parametrize("seed", range(3))
def test_a_sound_below_the_noise_is_heard_in_its_band(hz, seed):
    """Weaker than the noise as a whole: its own band alone tells it."""
    weak = [band(0.12, *hz, -41, seed + i) for i in range(2)]
    samples = recording(silence(0.6), weak[0], spoken(-8), weak[1], silence(0.6), noise_db=-40, seed=seed)
    np.testing.assert_allclose(detect_endpoints(samples, RATE_HZ, EXACT), (0.6, 1.34), atol=0.05)
    narrow = detect_endpoints(samples, RATE_HZ, dataclasses.replace(EXACT, crossing_ms=0.0))
    np.testing.assert_allclose(narrow, (0.72, 1.22), atol=0.04)


def test_a_stop_may_be_released_late_at_the_end_alone():
    """A weak burst 80 ms away is a released stop behind the word, and something else before it."""
    burst = band(0.04, 2000, 3500, -47)
    samples = recording(
        silence(0.6), burst, silence(0.08), spoken(), silence(0.08), burst, silence(0.6), noise_db=-50
    )
    np.testing.assert_allclose(detect_endpoints(samples, RATE_HZ, EXACT), (0.72, 1.34), atol=0.04)


def test_the_noise_of_another_stretch_is_not_the_word_s():
    """What is loud elsewhere is no noise, and the edge never moves into it."""
    weak = band(0.05, 1500, 3800, -38)
    beep = tone(1000, duration_s=0.3, gain=0.3)
    samples = recording(silence(0.4), beep, silence(0.03), weak, spoken(), silence(0.6), noise_db=-40)
    start_s, end_s = detect_endpoints(samples, RATE_HZ, EXACT)
    assert 0.69 < start_s < 0.76 and end_s == pytest.approx(1.28, abs=0.04)


@pytest.mark.parametrize("hum_hz", [20, 50])
def test_a_hum_is_no_noise_level(hum_hz):
    samples = recording(silence(0.6), spoken(), silence(0.8), noise_db=-60)
    hum = tone(hum_hz, duration_s=len(samples) / RATE_HZ, gain=0.2)
    np.testing.assert_allclose(detect_endpoints(samples + hum, RATE_HZ, EXACT), (0.6, 1.1), atol=0.04)


def test_nothing_but_a_tone_is_doubtful():
    for samples in (
        tone(1000, duration_s=1.0),
        recording(silence(0.5), tone(1000), silence(0.5), noise_db=-60),
    ):
        assert find_speech([samples], RATE_HZ).doubt == "holds a steady tone and nothing else"
    assert find_speech([recording(silence(0.5), spoken(), silence(0.5), noise_db=-60)], RATE_HZ).doubt == ""


def test_two_words_are_doubtful():
    samples = recording(silence(0.4), spoken(), silence(0.5), spoken(-23), silence(0.4), noise_db=-60)
    found = find_speech([samples], RATE_HZ, EXACT)
    assert (found.start_s, found.end_s) == pytest.approx((0.4, 0.9), abs=0.03)
    assert found.doubt == "holds another stretch of sound beside the word"


@pytest.mark.parametrize("seed", range(5))
def test_the_result_does_not_depend_on_the_blocks(seed):
    rng = np.random.default_rng(seed)
    samples = recording(silence(9), spoken(), silence(13), noise_db=-50, seed=seed)
    cuts = np.sort(rng.integers(0, len(samples), rng.integers(1, 30)))
    whole = measure_frames([samples], RATE_HZ, 200, 80)
    cut = measure_frames(np.split(samples, cuts), RATE_HZ, 200, 80)
    for one, other in zip(vars(whole).values(), vars(cut).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(whole.level_db) == (len(samples) - 200) // 80 + 1 and whole.num_samples == len(samples)


def test_levels_are_those_of_the_high_passed_frames():
    """Against scipy's filter over the whole recording, and numpy's spectra."""
    samples = recording(spoken(), noise_db=-40).astype(np.float64)
    sos = butter(4, 100, "highpass", fs=RATE_HZ, output="sos")
    passed, _ = sosfilt(sos, samples, zi=sosfilt_zi(sos) * samples[0])
    found = measure_frames([samples], RATE_HZ, 200, 80)
    for t in range(len(found.level_db)):
        frame = passed[80 * t : 80 * t + 200]
        assert found.level_db[t] == pytest.approx(10 * np.log10(np.mean(frame**2)))
        power = np.sum(np.abs(np.fft.rfft(frame * np.hanning(202)[1:-1])[3:]) ** 2)
        assert found.bands[t].sum() == pytest.approx(power, rel=1e-5)


IMPOSSIBLE = {
    "low_fraction=0.5": {"low_fraction": 0.5}, "high_fraction=1.0": {"high_fraction": 1.0},
    "frame_length_ms=0.0": {"frame_length_ms": 0.0}, "frame_shift_ms=-1.0": {"frame_shift_ms": -1.0}, "frame_shift_ms=nan": {"frame_shift_ms": float("nan")},
    "padding_ms=-60.0": {"padding_ms": -60.0}, "max_gap_ms=-1.0": {"max_gap_ms": -1.0}, "crossing_ms=-50.0": {"crossing_ms": -50.0},
    "min_speech_ms=nan": {"min_speech_ms": float("nan")}, "padding_ms=inf": {"padding_ms": float("inf")},
}  # fmt: skip


@pytest.mark.parametrize(("told", "settings"), IMPOSSIBLE.items(), ids=IMPOSSIBLE)
def test_impossible_settings_are_told(told, settings):
    with pytest.raises(SettingsError, match=told):
        EndpointConfig(**settings)


# the command


@pytest.fixture
def data_dir(tmp_path):
    """Three recordings of one word each, at different rates; the word starts at 0.6 s."""
    (tmp_path / "data").mkdir()
    utts = {"amy-no": (8000, 1), "amy-yes": (8000, 0.2), "bob-no": (16000, 1)}
    for utt, (rate_hz, gain) in utts.items():
        scale = rate_hz / RATE_HZ
        samples = recording(silence(0.6 * scale), spoken(rate_hz=rate_hz), silence(0.8 * scale), noise_db=-55)
        soundfile.write(tmp_path / "data" / f"{utt}.wav", gain * samples, rate_hz)
    for name, line in (("wav.scp", "{0} {1}/{0}.wav"), ("text", "{0} word"), ("utt2spk", "{0} {2}")):
        lines = (line.format(utt, tmp_path / "data", utt[:3]) for utt in utts)
        (tmp_path / "data" / name).write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "data" / "spk2utt").write_text("amy amy-no amy-yes\nbob bob-no\n")
    return tmp_path / "data"


@pytest.mark.parametrize("nj", ["1", "2"])
def test_command_writes_segments(data_dir, capsys, monkeypatch, nj):
    monkeypatch.setattr("asrkit.workflows.detect_endpoints.CHUNK", 1)
    assert main(["detect-endpoints", str(data_dir), "--padding-ms=20", "--nj", nj]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("found 3, skipped 0: ") and out.endswith(" s of speech in 5.7 s\n")
    assert main(["validate-data", str(data_dir), "--no-feats"]) == 0
    segments = read_data_dir(data_dir).segments
    assert list(segments) == ["amy-no", "amy-yes", "bob-no"]
    for utt, segment in segments.items():
        assert segment.recording == utt
        assert segment.start_s == pytest.approx(0.58, abs=0.04) and segment.end_s == pytest.approx(
            1.12, abs=0.04
        )
    assert read_record(EndpointConfig, data_dir / "endpoint.conf") == EndpointConfig(padding_ms=20.0)


def test_command_does_not_overwrite(data_dir, capsys):
    (data_dir / "segments").write_text("amy-no amy-no 0 1\n")
    assert main(["detect-endpoints", str(data_dir)]) == 1
    assert "segments: already there (--force true replaces it)" in capsys.readouterr().err
    assert (data_dir / "segments").read_text() == "amy-no amy-no 0 1\n"
    assert main(["detect-endpoints", str(data_dir), "--force"]) == 0
    assert len(read_data_dir(data_dir).segments) == 3


def test_command_names_recordings_without_speech(data_dir, capsys):
    soundfile.write(data_dir / "amy-yes.wav", np.zeros(8000), 8000)
    (data_dir / "bob-no.wav").write_bytes(b"")
    assert main(["detect-endpoints", str(data_dir)]) == 1
    out, err = capsys.readouterr()
    assert "found 1, skipped 2 (amy-yes: no speech found; bob-no: " in err and "the file is empty" in err
    assert out == "" and not {"segments", "endpoint.conf"} & {path.name for path in data_dir.iterdir()}
    assert main(["detect-endpoints", str(data_dir), "--max-skipped", "2"]) == 0
    assert list(read_data_dir(data_dir).segments) == ["amy-no"]


@pytest.mark.parametrize("wavs", ["none", "all silent"])
def test_command_writes_no_empty_segments(data_dir, capsys, wavs):
    """An empty table would say that the recordings are not cut at all."""
    if wavs == "none":
        (data_dir / "wav.scp").write_text("")
    for path in data_dir.glob("*.wav"):
        soundfile.write(path, np.zeros(8000), 8000)
    assert main(["detect-endpoints", str(data_dir), "--max-skipped", "9"]) == 1
    assert f"{data_dir}: no " in capsys.readouterr().err
    assert not (data_dir / "segments").exists()


def test_command_counts_what_is_doubtful(data_dir, capsys):
    for name in ("amy-no", "amy-yes"):
        samples, rate_hz = soundfile.read(data_dir / f"{name}.wav")
        samples[: rate_hz // 5] += tone(1000)[: rate_hz // 5]
        soundfile.write(data_dir / f"{name}.wav", samples, rate_hz)
    assert main(["detect-endpoints", str(data_dir)]) == 0
    assert "doubtful, listen to them: 2 recordings: amy-no: holds a" in capsys.readouterr().out


def test_one_word_in_five_minutes_takes_little_memory(data_dir):
    """The samples alone are 58 MB. One that is cut off is refused all the same."""
    rate_hz = 48000
    with soundfile.SoundFile(data_dir / "amy-no.wav", "w", rate_hz, 1, "PCM_16") as stream:
        for part in range(5):
            samples = noise(60 * 6, -70, part)
            samples[:rate_hz] += np.pad(spoken(rate_hz=rate_hz), rate_hz // 4)
            stream.write(samples if part == 3 else noise(60 * 6, -70, part))
    tracemalloc.start()
    try:
        found = detect_in_data(data_dir)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.times["amy-no"] == pytest.approx((180.175, 180.825), abs=0.05)
    assert found.total_s == pytest.approx(303.8) and peak < 35e6
    whole = (data_dir / "amy-no.wav").read_bytes()
    (data_dir / "amy-no.wav").write_bytes(whole[:-1000])
    found = detect_in_data(data_dir, force=True, read=ReadConfig(max_skipped=1))
    assert "1000 bytes of the announced sound are missing" in found.skipped["amy-no"]


def test_impossible_settings_of_the_command_are_told_as_options(data_dir, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["detect-endpoints", str(data_dir), "--low-fraction", "0.5"])
    assert stop.value.code == 2
    assert "--low-fraction 0.5 and --high-fraction 0.4 must rise" in capsys.readouterr().err


def test_skipped_recordings_are_told_in_options(data_dir, capsys):
    samples, rate_hz = soundfile.read(data_dir / "amy-no.wav")
    soundfile.write(data_dir / "amy-no.wav", np.stack([samples, samples], axis=1), rate_hz)
    assert main(["detect-endpoints", str(data_dir), "--strict", "--max-skipped", "1"]) == 0
    assert "refused by --strict true" in capsys.readouterr().out


def test_from_python(data_dir, capsys):
    config = EndpointConfig(padding_ms=20.0)
    found = detect_in_data(data_dir, config=config)
    assert list(found.times) == ["amy-no", "amy-yes", "bob-no"] and found.skipped == {}
    segments = read_data_dir(data_dir).segments
    for utt, (start_s, end_s) in found.times.items():
        assert (segments[utt].start_s, segments[utt].end_s) == pytest.approx((start_s, end_s), abs=5e-4)
    assert found.speech_s == pytest.approx(sum(end_s - start_s for start_s, end_s in found.times.values()))
    assert found.total_s == pytest.approx(5.7)
    assert detect_in_data(data_dir, config=config).times == found.times, "what was found so is replaced"
    (data_dir / "endpoint.conf").unlink()
    with pytest.raises(DataError, match=r"already there \(force=true replaces it\)"):
        detect_in_data(data_dir)
    assert capsys.readouterr().out == ""
    assert main(["detect-endpoints", str(data_dir), "--padding-ms=20", "--force"]) == 0
    assert capsys.readouterr().out.splitlines() == found.lines()


@pytest.mark.parametrize("rate_hz", [1000, 8000, 16000, 44100])
def test_the_high_pass_is_scipys(rate_hz):
    rng = np.random.default_rng(0)
    samples = rng.normal(size=rate_hz) + 5 * np.sin(np.arange(rate_hz) / rate_hz) + 3
    sos = signal.butter(4, 100, "highpass", fs=rate_hz, output="sos")
    theirs, _ = signal.sosfilt(sos, samples, zi=signal.sosfilt_zi(sos) * samples[0])
    high_pass = HighPass(rate_hz)
    ours = np.concatenate([high_pass(piece) for piece in np.split(samples, [1, 100, 101, rate_hz // 2])])
    np.testing.assert_allclose(ours, theirs, atol=1e-11)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
def test_the_running_median_is_scipys(count, width):
    values, width = np.random.default_rng(count).normal(size=count), min(width, count)
    np.testing.assert_array_equal(
        _running_median(values, width), ndimage.median_filter(values, width, mode="nearest")
    )


@pytest.mark.parametrize("size", [1, 2, 3, 10, 101, 1000])
def test_medians_and_percentiles_are_numpys(size):
    rng = np.random.default_rng(size)
    for scale in (1.0, 1e-300, 1e300):
        values = scale * rng.choice([rng.normal(size=size), rng.integers(-3, 3, size).astype(float)])
        for percent in (0, 2, 10, 15, 50, 99, 99.5, 100, 100 - 1e-9, *rng.uniform(0, 100, 20)):
            assert percentile(values, percent) == np.percentile(values, percent)
    for dtype in (np.float32, np.float64):
        cube = rng.normal(size=(size, 3, 4)).astype(dtype)
        for axis in (0, 1, 2):
            assert median(cube, axis).tobytes() == np.median(cube, axis=axis).tobytes()
    assert np.isnan(percentile(np.zeros(0), 10))
