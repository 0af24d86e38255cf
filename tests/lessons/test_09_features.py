import numpy as np
import pytest
from lesson import check


def test_lesson(tmp_path):
    check("09_features", tmp_path, globals())


def check_deltas_are_slopes_of_fitted_lines(lesson):
    c, (t, i) = lesson["feats"][:, :13].astype(float), (40, 3)
    slope = np.polyfit(np.arange(-2, 3), c[t - 2 : t + 3, i], 1)[0]
    assert abs(lesson["deltas"][t, i] - slope) < 1e-9
    assert lesson["delta_difference"] < 1e-4


def check_side_lobes_and_cosines_are_the_textbooks(lesson):
    """The first side lobe of sin(x) / x is -13.26 dB; the tone's own mirror moves it a little."""
    x = np.linspace(3.2, 6.2, 10000)
    assert abs(lesson["side_lobe_db"]["rectangular"] - 20 * np.log10(np.abs(np.sin(x) / x).max())) < 0.5
    assert lesson["side_lobe_db"]["povey"] < -25
    np.testing.assert_allclose(lesson["cosines"].T @ lesson["cosines"], np.eye(23), atol=1e-12)


def check_the_word_is_found_and_its_ends_are_weak(lesson):
    true = 0.35, 0.35 + len(lesson["recording"].samples) / lesson["rate_hz"]
    assert abs(lesson["start_s"] - true[0]) < 0.06 and abs(lesson["end_s"] - true[1]) < 0.06
    first_s = np.searchsorted(lesson["frame_s"], 0.42)
    assert lesson["crossings"][first_s] > 3 * lesson["crossings"][lesson["loudest"]]
    assert lesson["energy_db"][first_s] < lesson["energy_db"][lesson["loudest"]] - 12


def check_the_mean_takes_a_microphone_away(lesson):
    """What is left are the deviations of the frames' differences from their mean."""
    plain = lesson["plain"]
    each = [plain.features(lesson[name], endpoint=False).astype(float) for name in ("samples", "dull")]
    moved = each[1] - each[0]
    left = np.sqrt(((moved - moved.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert abs(lesson["distance"]["utterance"] - left) < 1e-3
    assert lesson["distance"]["utterance"] < 0.15 * lesson["distance"]["none"]
    np.testing.assert_allclose(lesson["expected"], lesson["found"], atol=0.5)
    assert lesson["figures"] == 7


def check_cepstra_by_hand_are_kaldis(lesson):
    """kaldi-native-fbank is Kaldi's own code."""
    kaldi = pytest.importorskip("kaldi_native_fbank")
    options = kaldi.MfccOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = lesson["rate_hz"], 0
    options.use_energy = False
    computer = kaldi.OnlineMfcc(options)
    computer.accept_waveform(lesson["rate_hz"], (lesson["samples"] * 32768).tolist())
    computer.input_finished()
    theirs = np.stack([computer.get_frame(t) for t in range(computer.num_frames_ready)])
    assert theirs.shape == (len(lesson["feats"]), 13)
    np.testing.assert_allclose(lesson["by_hand"], theirs[lesson["loudest"]], atol=2e-3)
    assert lesson["difference"] < 1e-4
