"""asrkit.plots.fonts: letters that the default font lacks come from other fonts; of those none has, one warning speaks."""

import io
import logging

import matplotlib.image
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from asrkit.evaluation.scoring import compute_errors
from asrkit.plots import fonts
from asrkit.plots.components import plot_components
from asrkit.plots.models import plot_alignment, plot_training_curves
from asrkit.plots.phones import Sound, plot_speakers, plot_utterance
from asrkit.plots.style import save
from asrkit.plots.words import plot_confusion, plot_learning_curve, plot_noise

# Of scripts that matplotlib's own font lacks (it has Arabic and Cyrillic letters).
SCRIPTS = {
    "Noto Sans CJK": "左右",
    "Noto Sans CJK of kana": "かな",
    "Noto Sans CJK of Hangul": "하나",
    "Noto Sans Devanagari": "एकद",
    "Noto Sans Thai": "หนส",
    "Noto Sans Tamil": "ஒனற",
}
WORDS = ["".join(letters) for letters in SCRIPTS.values()]


def build_font(path, family, characters, weight=400):
    """A font whose glyphs are full squares."""
    names = {ord(character): f"glyph{ord(character)}" for character in characters}
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for corner in ((50, 800), (850, 800), (850, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder.setupGlyf(dict.fromkeys((".notdef", *names.values()), square))
    builder.setupHorizontalMetrics(dict.fromkeys((".notdef", *names.values()), (900, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(usWeightClass=weight)
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs fonts; nothing has been told yet, and all is as before afterwards."""
    before = list(fontManager.ttflist)
    monkeypatch.setattr(fonts, "_told", set())

    def add(family, characters, weight=400):
        fontManager.addfont(str(build_font(tmp_path / f"{family}-{weight}.ttf", family, characters, weight)))

    yield add
    fontManager.ttflist[:] = before
    fonts.fallbacks.cache_clear()


def png(plot, *arguments, at=None, **named):
    stream = io.BytesIO()
    place = len(arguments) if at is None else at
    plot(*arguments[:place], stream, *arguments[place:], **named)
    return stream.getvalue()


def pictures(words):
    """Every kind of picture with labels of a user: name to a function that draws it with such words."""
    a, b = words[:2]
    said = {f"u{i}": word for i, word in enumerate(words)}
    sound = Sound(np.random.default_rng(0).normal(size=(8, 50)), 1.0, 4.0, a, True)
    rows = [
        {"component": 0, "n": 9, "mean": np.zeros(2), "covariance": np.eye(2), "left": (a, 1.0), "right": (b, 1.0)}
    ]  # fmt: skip
    level = {None: compute_errors(said, said, {}).total}
    rng = np.random.default_rng(0)
    spectrogram = (
        rng.normal(-40, 10, (20, 30)),
        np.linspace(50, 3900, 20),
        0.01,
        np.arange(30) // 6,
        a,
        rng.normal(size=30),
    )
    return {
        "confusion": lambda: png(plot_confusion, compute_errors(said, said, {})),
        "learning curve": lambda: png(
            plot_learning_curve,
            [{"per_word": 1, "label": a, "rates": [0.2], "mean": 0.2, "interval": (0.1, 0.3)}],
            title=b,
        ),
        "noise": lambda: png(plot_noise, [(a, b, level)]),
        "training": lambda: png(plot_training_curves, {word: [(0, -6.0), (1, -5.0)] for word in words}),
        "alignment": lambda: png(plot_alignment, *spectrogram),
        "utterance": lambda: png(plot_utterance, sound, [(a, 0.0, 0.5, -1.0, b)], (-2.0, 0.0), "z", b, at=3),
        "speakers": lambda: png(plot_speakers, np.eye(2), [a, b], [b, a], "z", at=3),
        "components": lambda: png(plot_components, np.eye(2), [0, 0], rows, a, at=3),
    }


@pytest.mark.parametrize("name", pictures(WORDS))
def test_every_picture_falls_back_on_an_installed_font_in_silence(install, caplog, name):
    """That warnings are errors covers matplotlib's."""
    without = pictures(WORDS)[name]()
    assert "no installed font has" in caplog.text
    caplog.clear()
    for family, letters in SCRIPTS.items():
        install(family, letters)
    assert pictures(WORDS)[name]() != without and not caplog.records


def ink(text):
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.3, text, fontsize=30)
    stream = io.BytesIO()
    save(figure, stream)
    picture = matplotlib.image.imread(io.BytesIO(stream.getvalue()), format="png")[..., :3]
    return np.sum(picture < 0.5) / 3


@pytest.mark.parametrize("letters", SCRIPTS.values(), ids=SCRIPTS)
def test_the_letters_are_the_font_s(install, letters):
    install("Squares", letters)
    side = 30 / 72 * 150 * 0.8
    assert ink(letters) == pytest.approx(len(letters) * side**2, rel=0.1)
    assert ink("Ж") == ink("Ж") > 0


def test_what_is_chosen(install):
    install("A few", "左")
    install("Most", "左右中")
    install("Most", "左右中", 700)
    install("Another", "ก")
    wanted = frozenset("左右中กﬀ\N{EGYPTIAN HIEROGLYPH A001}")
    families, missing = fonts.fallbacks(wanted, len(fontManager.ttflist))
    assert families[0] == "Most" and "Another" in families and "A few" not in families
    assert missing == {"\N{EGYPTIAN HIEROGLYPH A001}"}


def test_a_missing_letter_is_told_once(install, caplog):
    for _ in range(2):
        ink("左ก")
    ink("左右")
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [
        "pictures: no installed font has ก 左, boxes stand for them (install Noto Sans Thai, Noto Sans CJK)",
        "pictures: no installed font has 右, boxes stand for them (install Noto Sans CJK)",
    ]


def test_what_needs_no_other_font_asks_for_none(monkeypatch):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr(fonts, "fallbacks", never)
    for text in ("left", "größe", "лево", "اثنان", "a\u200bb\u00a0c\n"):
        ink(text)


def test_a_font_that_is_broken_is_passed_over(install, tmp_path):
    install("Squares", "左")
    (tmp_path / "Squares-400.ttf").write_bytes(b"no font")
    assert fonts.fallbacks(frozenset("左"), -1) == ((), frozenset("左"))
    ink("左")
