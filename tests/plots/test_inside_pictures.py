"""Pictures of models and of recordings: what they draw is where it should be, in all forms, the same every time."""

import io

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import Circle, Ellipse, FancyArrowPatch, Polygon

from asrkit.models import trellis
from asrkit.plots import chain, front_end, plane
from asrkit.plots import trellis as trellis_pictures

RNG = np.random.default_rng(0)
MEANS = RNG.normal(size=(3, 2))
COVARIANCES = np.array([[[1.0, 0.8], [0.8, 1.0]], [[0.6, 0.0], [0.0, 2.0]], [[0.2, -0.1], [-0.1, 0.1]]])
POINTS = RNG.normal(size=(200, 2))
START, LEAVE = np.array([0.75, 0.25, 0.0]), np.array([0.0, 0.0, 0.4])
TRANSITIONS = np.array([[0.5, 0.25, 0.25], [0.0, 0.9, 0.1], [0.125, 0.0, 0.475]])


@pytest.fixture
def drawn(monkeypatch):
    """What a plot function has drawn: a function that gives the figure."""
    figures = []
    for module in (plane, chain, trellis_pictures, front_end):
        monkeypatch.setattr(module, "save", lambda figure, path, form: figures.append(figure))
    return lambda: figures[-1]


def picture(name, path, form="png"):
    if name == "gaussians":
        plane.plot_gaussians(
            [0.5, 0.3, 0.2], MEANS, COVARIANCES, path, names=("c1", "$^$"), points=POINTS, labels=["1", "2", "3"],
            owners=np.arange(200) % 3, title="two", form=form,
        )  # fmt: skip
    elif name == "cells":
        plane.plot_cells(MEANS, path, names=("c1", "c2"), points=POINTS, form=form)
    elif name == "chain":
        table = np.array([[[4, 0.5], [1, 0.2]]] * 3)
        chain.plot_chain(
            START, TRANSITIONS, LEAVE, path, durations=["2 frames"] * 3, means=RNG.normal(size=(2, 3)) * 0 + 1,
            names=["c0", "c1"], draws=[("symbols", table)], title="word", form=form,
        )  # fmt: skip
    elif name == "trellis":
        delta = np.array([[-1.0, -np.inf], [-3.0, -2.0], [-7.0, -4.0]])
        trellis_pictures.plot_trellis(
            delta, [0, 1, 1], path, start=[1.0, 0.0], back=[[-1, -1], [0, 0], [0, 1]], form=form
        )
    else:
        layer = front_end.Layer(np.arange(12.0).reshape(3, 4), (0.0, 0.5, -0.5, 2.5), "features")
        front_end.plot_front_end(
            np.sin(np.arange(4000)), 8000, (0.1, 0.4), [layer], path, title="sound", form=form
        )


@pytest.mark.parametrize(
    "name, form, magic",
    [(name, "png", b"\x89PNG") for name in ("gaussians", "cells", "chain", "trellis", "front end")]
    + [("cells", "pdf", b"%PDF"), ("cells", "svg", b"<?xml")],
)
def test_every_form_is_what_it_says_and_the_same_every_time(name, form, magic, tmp_path):
    stream = io.BytesIO()
    picture(name, stream, form)
    assert stream.getvalue().startswith(magic)
    with matplotlib.rc_context(
        {"axes.facecolor": "yellow", "savefig.dpi": 30}
    ):  # as a user's matplotlibrc might
        picture(name, tmp_path / "again", form)
    assert (tmp_path / "again").read_bytes() == stream.getvalue()


def test_ellipses_lie_at_one_and_two_standard_deviations(drawn):
    picture("gaussians", None)
    ellipses = [patch for patch in drawn().axes[0].patches if isinstance(patch, Ellipse)]
    assert len(ellipses) == 6
    found = []
    for ellipse in ellipses:
        m = next(m for m in range(3) if np.allclose(ellipse.center, MEANS[m]))
        around = ellipse.get_patch_transform().transform(
            np.column_stack([np.cos(t := np.arange(20)), np.sin(t)])
        )
        apart = around - MEANS[m]
        mahalanobis = np.sqrt(np.einsum("ni,ij,nj->n", apart, np.linalg.inv(COVARIANCES[m]), apart))
        assert np.ptp(mahalanobis) < 1e-9
        found.append((m, round(mahalanobis[0], 9)))
    assert sorted(found) == [(m, times) for m in range(3) for times in (1, 2)]


def test_every_point_lies_in_the_cell_of_the_nearest_code_vector(drawn):
    vectors = np.random.default_rng(1).normal(size=(12, 2))
    plane.plot_cells(vectors, None, names=("x", "y"))
    cells = [patch for patch in drawn().axes[0].patches if isinstance(patch, Polygon)]
    assert len(cells) == 12
    for point in np.random.default_rng(2).uniform(-2, 2, size=(100, 2)):
        inside = [m for m, cell in enumerate(cells) if cell.get_path().contains_point(point)]
        assert inside == [((vectors - point) ** 2).sum(axis=1).argmin()]


@pytest.mark.parametrize(
    "vectors",
    [[[0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], [[1.0, 1.0]] * 3],
)
def test_few_code_vectors_or_on_a_line_or_equal_are_drawn(vectors):
    stream = io.BytesIO()
    plane.plot_cells(np.array(vectors), stream, names=("x", "y"))
    assert stream.getvalue().startswith(b"\x89PNG")


def test_a_chain_has_an_arrow_and_a_number_for_each_probability(drawn):
    picture("chain", None)
    axes = drawn().axes[0]
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    expected = [*START[START > 0], *TRANSITIONS[TRANSITIONS > 0], *LEAVE[LEAVE > 0]]
    assert len(arrows) == len(expected)
    texts = [text.get_text() for text in axes.texts]
    shown = sorted(float(text) for text in texts if text.startswith("."))
    np.testing.assert_allclose(shown, sorted(expected), atol=0.0051)
    assert texts.count("2 frames") == 3 and {"1", "2", "3"} <= set(texts)
    circles = [patch for patch in axes.patches if isinstance(patch, Circle)]
    assert len(circles) == 3
    drawn().draw_without_rendering()
    box = circles[0].get_window_extent()
    assert box.width == pytest.approx(box.height, rel=0.02), "circles are round"


def test_probabilities_are_written_as_on_slides():
    assert [chain.short(p) for p in (1.0, 0.999, 0.85, 0.1, 0.004)] == ["1", "1", ".85", ".10", "4e-03"]


def test_a_trellis_has_the_scores_in_its_cells_and_the_best_path_on_top(drawn):
    rng = np.random.default_rng(3)
    log_obs, start = rng.normal(-3, 1, (6, 3)), np.array([0.5, 0.0, 0.5])
    with np.errstate(divide="ignore"):
        arcs = [np.log(a) for a in (start, TRANSITIONS, LEAVE)]
    delta, back, best = trellis.best(log_obs, *arcs)
    trellis_pictures.plot_trellis(delta, best, None, start=start, back=back, score=-12.5)
    top, bottom = drawn().axes[:2]
    texts = [text.get_text().replace("\N{MINUS SIGN}", "-") for text in top.texts]
    cells = [float(text) for text in texts if not text.startswith("p(")]
    np.testing.assert_allclose(cells, delta[np.isfinite(delta)], atol=0.0501)
    assert [text for text in texts if text.startswith("p(")] == ["p(1, 1) = 0.5", "p(1, 3) = 0.5"]
    (line,) = (line for line in top.lines if line.get_label() == "best path")
    np.testing.assert_array_equal(line.get_ydata(), best + 1)
    np.testing.assert_array_equal(bottom.lines[0].get_ydata(), delta[np.arange(6), best])
    assert "\N{MINUS SIGN}12.5 at the end" in bottom.get_xlabel()
    shown = top.collections[0].get_array()
    expected = (delta.max(axis=1, keepdims=True) - delta).T
    np.testing.assert_allclose(
        shown.filled(np.inf).reshape(3, 6), np.where(np.isfinite(expected), expected, np.inf)
    )


def test_layers_stand_at_their_times_and_rows_about_their_means(drawn):
    picture("front end", None)
    sound, features = drawn().axes[:2]
    assert sorted(line.get_xdata()[0] for line in sound.lines[1:]) == [0.1, 0.4]
    (image,) = features.images
    assert image.get_extent() == [0.0, 0.5, -0.5, 2.5]
    np.testing.assert_allclose(image.get_array().mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(image.get_array().std(axis=1), 1)
