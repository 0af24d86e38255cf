"""asrkit.plots.phones: boxes, colours, order, labels and ellipses of the figures; the spectrogram by tones."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Ellipse, Rectangle

from asrkit.models.low_rank import LowRankMixture
from asrkit.models.mixture import DiagMixture, FullMixture
from asrkit.phones.plane import component_means, fit_plane
from asrkit.plots import components as plots_components
from asrkit.plots import phones as plots_phones
from asrkit.plots.components import apart, plot_components
from asrkit.plots.phones import (
    Sound,
    plot_speakers,
    plot_utterance,
    score_range,
    short,
    wideband,
)


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, instead of files: writing takes longer than all else here."""
    drawn = []
    for room in (plots_phones, plots_components):
        monkeypatch.setattr(room, "save", lambda figure, path: drawn.append(figure))
    return drawn


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


# Utterances


SOUND = Sound(np.random.default_rng(0).normal(size=(20, 90)), 0.9, 8.0, "frequency (kHz)", True)
BOXES = [
    ("AA", 0.1, 0.3, -8.0, "one"),
    ("T", 0.3, 0.4, np.nan, "one"),
    ("S", 0.5, 0.51, -1.0, "two"),
    ("IY", 0.51, 0.85, -3.0, "two"),
]


def test_boxes_labels_and_words(figures):
    plot_utterance(SOUND, BOXES, (-10.0, 0.0), None, "posterior", "u-1")
    top, boxes, words, bar = figures[0].axes
    drawn = [patch for patch in boxes.patches if isinstance(patch, Rectangle)]
    assert [(box.get_x(), box.get_width()) for box in drawn] == [
        (start, pytest.approx(end - start)) for _, start, end, *_ in BOXES
    ]
    found = [text.get_text() for text in boxes.texts]
    # S has room above only
    assert found == ["AA", "\N{MINUS SIGN}8.0", "T", "", "S \N{MINUS SIGN}1.0", "IY", "\N{MINUS SIGN}3.0"]
    assert [text.get_text() for text in words.texts] == ["one", "two"] and len(words.patches) == 2
    assert words.patches[1].get_x() == 0.5 and words.patches[1].get_x() + words.patches[
        1
    ].get_width() == pytest.approx(0.85)
    assert top.get_xlim() == boxes.get_xlim() == (0, 0.9)
    colours = matplotlib.colormaps["viridis"]
    for box, (*_, score, _) in zip(drawn, BOXES):
        if np.isnan(score):
            assert box.get_hatch() and box.get_facecolor() == to_rgba("0.93")
        else:
            assert box.get_facecolor() == colours((score + 10) / 10) and not box.get_hatch()
    light = [np.dot(box.get_facecolor()[:3], (0.3, 0.6, 0.1)) for box in (drawn[0], drawn[3], drawn[2])]
    assert light == sorted(light)  # darker is lower
    assert "posterior" in bar.get_ylabel()


def test_no_words_no_row_and_long_utterances_stay_readable(figures):
    plot_utterance(SOUND, [(*box[:4], "") for box in BOXES], (-10.0, 0.0), None, "z")
    many = [("AA", i / 10, (i + 1) / 10, -float(i % 7), "") for i in range(400)]
    plot_utterance(Sound(np.zeros((3, 9)), 45.0, 3.0, "x", False), many, (-6, 0), None, "z")
    assert len(figures[0].axes) == 3
    figure = figures[1]
    assert figure.get_figwidth() == 40 and len(figure.axes[1].patches) == 400
    places = sorted(text.get_position()[0] for text in figure.axes[1].texts)
    assert len(places) > 150 and min(np.diff(places)) * 38.1 / 45 > 0.099  # inches


def test_phones_that_overlap_or_have_no_length_or_lie_behind_the_end(figures):
    odd = [("A", 0.2, 0.2, -1.0, ""), ("B", 0.2, 0.5, -np.inf, ""), ("C", 0.4, 1.5, -1.0, "")]
    plot_utterance(SOUND, odd, (-1.0, 0.0), None, "z")
    assert len(figures[0].axes[1].patches) == 3 and figures[0].axes[0].get_xlim() == (0, 1.5)
    plot_utterance(SOUND, [], (-1.0, 0.0), None, "z")


def test_numbers_and_ranges():
    values = {
        -0.04: "0.0",
        -5.23: "-5.2",
        -57.6: "-58",
        -9.97: "-10",
        -12345.0: "-12k",
        -1.6e6: "-1.6M",
        -3.2e7: "-32M",
        np.nan: "",
    }
    assert {value: short(value).replace("\N{MINUS SIGN}", "-") for value in values} == values
    scores = np.append(np.arange(101.0), [np.nan, -np.inf])
    assert (
        score_range(scores) == (5.0, 95.0)
        and score_range([2.0]) == (1.5, 2.5)
        and score_range([]) == (0.0, 1.0)
    )


@pytest.mark.parametrize("tone_hz, rate_hz", [(1000, 8000), (5000, 44100)])
def test_spectrogram_shows_a_tone_where_and_when_it_is(tone_hz, rate_hz):
    time = np.arange(rate_hz) / rate_hz
    sound = wideband(np.sin(2 * np.pi * tone_hz * time) * (time > 0.5), rate_hz)
    assert sound.duration_s == 1 and sound.top * 1000 == pytest.approx(min(8000, rate_hz / 2), abs=90)
    lines, frames = sound.image.shape
    assert sound.image[:, 3 * frames // 4].argmax() / (lines - 1) * sound.top * 1000 == pytest.approx(
        tone_hz, abs=100
    )
    loud = sound.image.max(axis=0) > sound.image.max() - 20
    assert loud.argmax() / frames == pytest.approx(0.5, abs=0.02)
    wideband(np.zeros(3), 16000)


# Speakers


MEANS = np.array([[-1.0, -8.0, np.nan], [-3.0, -10.0, np.nan], [-2.0, -20.0, np.nan], [np.nan, -9.0, np.nan]])


def cells_of(figure, shape=(4, 3)):
    grid = next(
        c for axes in figure.axes for c in axes.collections if isinstance(c, matplotlib.collections.QuadMesh)
    )
    return np.ma.filled(grid.get_array(), np.nan).reshape(shape), grid


def test_heat_map_is_ordered_and_centred(figures):
    plot_speakers(MEANS, list("abcd"), ["P", "Q", "R"], None, "posterior", centre=True)
    plot_speakers(MEANS, list("abcd"), ["P", "Q", "R"], None, "z", centre=False)
    for figure, centre in zip(figures, (True, False)):
        cells, grid = cells_of(figure)
        axes = grid.axes
        # lowest median first, nan last
        assert [text.get_text() for text in axes.get_xticklabels()] == ["Q", "P", "R"]
        expected = MEANS - np.array([-2.0, -9.5, np.nan]) if centre else MEANS
        order = [text.get_text() for text in axes.get_yticklabels()]
        rows = [float(np.nanmean(expected["abcd".index(name)])) for name in order]
        assert rows == sorted(rows) and order[0] == "c"
        np.testing.assert_allclose(cells, expected[["abcd".index(name) for name in order]][:, [1, 0, 2]])
        assert ("less the phone's median" in " ".join(texts(figure))) == centre
        assert (grid.norm.vmin == -grid.norm.vmax) == centre and grid.cmap.name == (
            "RdBu" if centre else "viridis"
        )
        assert axes.get_facecolor() == to_rgba("0.82")  # where there is no cell


def test_labels_of_hundreds_of_speakers_are_thinned(figures):
    means = np.random.default_rng(0).normal(size=(400, 3))
    plot_speakers(means, [f"s{i}" for i in range(400)], list("PQR"), None, "z")
    figure = figures[0]
    labels = [text.get_text() for text in cells_of(figure, (400, 3))[1].axes.get_yticklabels()]
    assert 40 < len(labels) < 120 and figure.get_figheight() < 14
    plot_speakers(np.full((1, 1), np.nan), ["s"], ["P"], None, "z", centre=True)


# Components


def mixtures(dim=5, num=4, seed=0):
    """Of each kind, with the covariance of every component."""
    rng = np.random.default_rng(seed)
    weights, means = np.log(np.full(num, 1 / num)), rng.normal(size=(num, dim))
    variances, floor = rng.uniform(0.5, 2, (num, dim)), np.full(dim, 1e-3)
    roots = [rng.normal(size=(rank, dim)) for rank in range(num)]
    full = np.stack([root.T @ root + 0.3 * np.eye(dim) for root in roots])
    return {
        "diag": (
            DiagMixture(weights[None], means[None], floor, variances[None], center=means[0]),
            [np.diag(row) for row in variances],
        ),
        "full": (FullMixture(weights[None], means[None], floor, full[None], center=means[0]), full),
        "low-rank": (LowRankMixture.from_roots(weights, means, roots, 0.3, means[0]), full),
    }


@pytest.mark.parametrize("name", ["diag", "full", "low-rank"])
def test_ellipses_are_the_projected_covariances(name, figures):
    mixture, covariances = mixtures()[name]
    means = component_means(mixture)
    rng = np.random.default_rng(5)
    comps = rng.integers(0, 4, 80)
    obs = means[comps] + 0.3 * rng.normal(size=(80, 5))
    plane = fit_plane(obs, comps, means)
    rows = []
    for m, covariance in enumerate(covariances):
        found = mixture.projected_covariance(m, plane.axes)
        np.testing.assert_allclose(found, plane.axes.T @ covariance @ plane.axes, rtol=1e-10)
        rows.append({
            "component": m, "n": int(np.sum(comps == m)), "mean": plane.points(means[m]), "covariance": found,
            "left": ("S", 0.5), "right": (f"T{m}", 0.25),
        })  # fmt: skip
    plot_components(plane.points(obs), comps, rows, None)
    axes = figures[0].axes[0]
    drawn = [patch for patch in axes.patches if isinstance(patch, Ellipse)]
    assert len(drawn) == 4 and {f"S_T{m}" for m in range(4)} <= set(texts(figures[0]))
    for ellipse, row in zip(drawn, rows):
        # Each point of the ellipse is one standard deviation from the mean.
        turn = np.linspace(0, 2 * np.pi, 9)
        angle = np.radians(ellipse.angle)
        circle = np.stack([ellipse.width / 2 * np.cos(turn), ellipse.height / 2 * np.sin(turn)])
        points = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ circle
        np.testing.assert_allclose(
            np.sum(points * np.linalg.solve(row["covariance"], points), axis=0), 1, rtol=1e-9
        )
        np.testing.assert_allclose(ellipse.center, row["mean"])


def test_only_eight_components_are_labelled(figures):
    rng = np.random.default_rng(0)
    comps = rng.integers(0, 12, 300)
    rows = [
        {
            "component": m,
            "n": int(np.sum(comps == m)),
            "mean": rng.normal(size=2),
            "covariance": np.eye(2),
            "left": ("#", 1),
            "right": (f"T{m}", 1),
        }
        for m in range(12)
    ]
    plot_components(rng.normal(size=(300, 2)), comps, rows, None)
    found = {text for text in texts(figures[0]) if text.startswith("#_")}
    assert found == {f"#_T{m}" for m in range(8)}
    assert f"4 more: {np.sum(comps >= 8)} tokens" in " ".join(texts(figures[0]))


def test_labels_keep_apart():
    places = apart(np.zeros((8, 2)), 1.0, 0.5)
    assert np.all(places[0] == 0) and min(np.diff(np.sort(places[:, 1]))) >= 0.5 - 1e-12
    far = np.array([[0.0, 0], [5, 0]])
    assert np.array_equal(apart(far, 1.0, 0.5), far) and apart(np.zeros((0, 2)), 1, 1).shape == (0, 2)
