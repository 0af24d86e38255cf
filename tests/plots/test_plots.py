"""asrkit.plots.words, models: the pictures are there, show the data, and are the same every time."""

import io

import matplotlib.image
import numpy as np
import pytest

from asrkit.evaluation.scoring import Counts, compute_errors
from asrkit.plots import words as plots
from asrkit.plots.models import plot_alignment, plot_training_curves
from asrkit.plots.style import spread


def png(plot, *args):
    stream = io.BytesIO()
    plot(*args, stream)
    return stream.getvalue()


def pixels(data):
    return matplotlib.image.imread(io.BytesIO(data), format="png")[..., :3]


def share_of(picture, name):
    """Share of the pixels that are reddish or clearly blue."""
    red, blue = picture[..., 0], picture[..., 2]
    return np.mean(red - blue > 0.04) if name == "red" else np.mean(blue - red > 0.15)


def report(hyps):
    return compute_errors({"u1": "yes", "u2": "no", "u3": "$^$", "u4": "no"}, hyps, {})


RIGHT = {"u1": "yes", "u2": "no", "u3": "$^$", "u4": "no"}  # a word may look like a formula
CURVES = {
    word: [(iteration, level + 0.3 * iteration, 1 + iteration // 3) for iteration in range(7)]
    for word, level in (("yes", -60.0), ("no", -60.1), ("$^$", -58.0))
}

LEARNING = [
    {"per_word": 1, "label": "1", "rates": [0.2, 0.3], "mean": 0.25, "interval": (0.2, 0.3)},
    {"per_word": 9.5, "label": "all", "rates": [0.0], "mean": 0.0, "interval": (0.0, 0.04)},
]

NOISE = [
    (system, noise, {snr: Counts(40, errors, 40 - errors, errors) for snr, errors in points.items()})
    for system, noise, points in (
        ("clean", "white", {None: 0, 20: 4, 0: 28}),
        ("clean", "babble", {None: 0, 20: 1, 0: 20}),
        ("multi", "$^$", {-2.5: 9, 20: 0}),
    )
]

TUNING = [
    {
        "name": name,
        "settings": {"num-states": states, "silence": True},
        "wer": wer,
        "low": wer / 2,
        "high": 2 * wer,
        "parameters": size,
        "ms_a_word": ms,
        "out": out,
    }
    for name, states, wer, size, ms, out in (
        ("a", 9, 0.0, 800, 0.4, None),
        ("b", 5, 0.02, 400, 0.0, None),
        ("c", 2, 0.6, 100, 0.1, "1"),
    )
]


def alignment_arguments(num_frames=30):
    rng = np.random.default_rng(0)
    states = np.arange(num_frames) * 5 // num_frames
    return (
        rng.normal(-40, 10, (20, num_frames)),
        np.linspace(50, 3900, 20),
        0.01,
        states,
        "yes",
        rng.normal(-50, 3, num_frames),
    )


@pytest.mark.parametrize(
    "plot, arguments",
    [
        (plots.plot_confusion, (report({**RIGHT, "u2": "yes"}),)),
        (plot_training_curves, (CURVES,)),
        (
            plot_training_curves,
            ({word: [(*point, point[0] == 6) for point in own] for word, own in CURVES.items()},),
        ),
        (plot_alignment, alignment_arguments()),
        (plots.plot_learning_curve, (LEARNING,)),
        (plots.plot_tuning, (TUNING, "b")),
        (plots.plot_noise, (NOISE,)),
    ],
)
def test_pictures_show_something_and_are_reproducible(plot, arguments, tmp_path):
    first = png(plot, *arguments)
    picture = pixels(first)
    assert min(picture.shape[:2]) > 250
    assert len(np.unique(picture[::3, ::3].reshape(-1, 3), axis=0)) > 50
    # as a user's matplotlibrc might
    with matplotlib.rc_context({"axes.facecolor": "yellow", "savefig.dpi": 30}):
        plot(*arguments, tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == first
    assert b"matplotlib" not in first.lower()


def test_confusion_is_red_only_where_something_is_wrong():
    right, wrong = (pixels(png(plots.plot_confusion, report({**RIGHT, "u1": hyp}))) for hyp in ("yes", "no"))
    assert share_of(right, "red") == 0 and share_of(right, "blue") > 0.1
    assert share_of(wrong, "red") > 0.02


def test_the_no_decision_column_appears_when_used():
    without, used = (pixels(png(plots.plot_confusion, report({**RIGHT, "u1": hyp}))) for hyp in ("no", ""))
    assert used.shape[1] > without.shape[1]


def test_confusion_of_nothing_and_of_many_words():
    png(plots.plot_confusion, compute_errors({"u": ""}, {"u": ""}, {}))
    words = {f"u{i:03d}": f"word{i:03d}" for i in range(40)}
    assert max(pixels(png(plots.plot_confusion, compute_errors(words, words, {}))).shape) < 3500


def test_training_curves_need_no_gaussians_and_no_words():
    png(plot_training_curves, {"yes": [(0, -60.0), (1, -59.0)]})
    png(plot_training_curves, {f"w{i}": [(1, -60.0)] for i in range(25)})
    png(plot_training_curves, {})


def test_labels_keep_their_distance():
    values = np.sort(np.random.default_rng(1).normal(size=20))
    apart = spread(values, 0.3)
    assert np.diff(apart).min() >= 0.3 - 1e-12
    assert np.array_equal(spread(np.arange(5.0), 0.5), np.arange(5.0))


def test_alignment_refuses_what_does_not_fit():
    spectrogram, freq_hz, shift_s, states, word, scores = alignment_arguments()
    with pytest.raises(ValueError, match="29 states"):
        png(plot_alignment, spectrogram, freq_hz, shift_s, states[1:], word, scores)


def test_a_learning_curve_of_one_count_and_no_error():
    assert share_of(pixels(png(plots.plot_learning_curve, LEARNING[1:])), "blue") > 0


def test_noise_of_one_system_of_one_ratio_of_more_errors_than_words_and_of_nothing():
    one, two, three = (pixels(png(plots.plot_noise, NOISE[:count])) for count in (1, 2, 3))
    assert 0 < share_of(one, "blue") < share_of(two, "blue")  # one colour a system
    assert share_of(one, "red") == share_of(two, "red") == 0 < share_of(three, "red")
    png(plots.plot_noise, [("clean", "pink", {5: Counts(1, 1, 0, 1, 3)}), ("clean", "white", {5: Counts()})])
    png(plots.plot_noise, [])


def test_the_front_has_what_no_cheaper_one_reaches():
    assert plots._front([3, 1, 2, 2, 5], [0.1, 0.4, 0.4, 0.2, 0.1]) == [1, 3, 0]
    assert (
        share_of(pixels(png(plots.plot_tuning, TUNING[:1], "a")), "red")
        > share_of(pixels(png(plots.plot_learning_curve, LEARNING)), "red")
        == 0
    )
