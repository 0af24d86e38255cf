import base64
import functools
import json

import numpy as np
import pytest
from synthetic import RATE_HZ, word_samples

import asrkit
from asrkit.errors import DataError
from asrkit.models.base import Block
from asrkit.workflows.explain import explain

WORDS = ("one", "two", "three")


def recordings(takes):
    return {
        word: [word_samples(word, np.random.default_rng([i, take])) for take in range(takes)]
        for i, word in enumerate(WORDS)
    }


@functools.cache
def trained(family, **settings):
    return asrkit.train(recordings(6), rate_hz=RATE_HZ, family=family, **settings)


def model_of(family):
    small = {"dhmm": {"codebook_size": 16}, "gmm": {"num_gauss": 2}, "schmm": {"num_gauss": 8}}
    return trained(family, **small.get(family, {}))


@pytest.fixture(scope="module")
def said():
    return word_samples("two", np.random.default_rng(99), pad_s=0.6)


@pytest.mark.parametrize("family", asrkit.families.names())
def test_it_tells_what_the_recogniser_hears_and_what_its_score_is_made_of(family, said):
    model = model_of(family)
    found, heard = explain(model, said), model.recognize(said, rate_hz=RATE_HZ)
    assert found.heard == heard and found.heard.scores == heard.scores
    assert list(found.ranked) == heard.nbest(10) and heard.word == "two"
    second = sorted(heard.scores, key=heard.scores.get)[-2]
    contrast = found.contrast
    assert (contrast.winner.word, contrast.other.word) == (heard.word, second)
    assert contrast.difference.sum() == pytest.approx(heard.margin, rel=1e-6, abs=2e-3)
    start, end = (round(t * RATE_HZ) for t in (found.start_s, found.end_s))
    feats = model.features(said[start:end], endpoint=False)
    block = Block.from_items([("", model.vocabulary.observe(feats))])
    for path in (contrast.winner, contrast.other):
        score, states = model.vocabulary.models[path.word].align(block)
        assert (path.states == states).all() and path.score == pytest.approx(score[0], abs=1e-3)
    assert found.num_frames == len(feats)
    first, last = contrast.decided
    assert contrast.difference[first:last].sum() >= contrast.difference.sum() / 2 > 0


def test_the_ends_are_those_of_the_word(said):
    """The word lies between 0.6 s of noise on each side, of which up to 0.1 s is kept."""
    found = explain(model_of("chmm"), said)
    assert (
        0.45 < found.start_s < 0.65 and len(said) / RATE_HZ - 0.65 < found.end_s < len(said) / RATE_HZ - 0.45
    )
    whole = explain(model_of("chmm"), said, endpoint=False)
    assert (whole.start_s, whole.end_s) == (0.0, pytest.approx(len(said) / RATE_HZ))


def test_what_it_says_can_be_sent(said):
    found = explain(model_of("dhmm"), said, word="one")
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert values["contrast"]["other"]["word"] == "one"
    assert values["contrast"]["cumulated"][-1] == pytest.approx(values["contrast"]["total"], abs=1e-3)
    picture = values["spectrogram"]
    levels = np.frombuffer(base64.b64decode(picture["levels"]), np.uint8)
    assert (levels.reshape(picture["bands"], picture["columns"]) == found.picture.levels).all()
    wave = values["waveform"]
    extremes = np.frombuffer(base64.b64decode(wave["extremes"]), np.int8).reshape(wave["columns"], 2)
    assert extremes.max() == round(127 * said.max()) and extremes.min() == round(127 * said.min())
    assert len(values["symbols"][0]) == values["num_frames"] and values["frame_shift_s"] == 0.01


def test_without_another_word_nothing_is_compared():
    one = asrkit.train({"one": recordings(6)["one"]}, rate_hz=RATE_HZ, family="chmm")
    found = explain(one, recordings(1)["one"][0])
    assert found.contrast is None and found.to_json()["contrast"] is None and found.symbols is None


def test_bad_input_is_told(said):
    model = model_of("chmm")
    with pytest.raises(DataError, match="word='ten' is not in the vocabulary \\(one, three, two\\)"):
        explain(model, said, word="ten")
    with pytest.raises(DataError, match="recording: "):
        explain(model, np.zeros(RATE_HZ, dtype=np.float32))
    with pytest.raises(DataError, match="no.wav: cannot be read"):
        explain(model, "no.wav")


def test_a_word_that_is_not_believed_is_the_nearest(said):
    recognizer = asrkit.Recognizer(model_of("gmm").vocabulary, min_confidence=1.0)
    found = explain(recognizer, said)
    assert found.heard.word == "<unk>"
    assert found.why.startswith("Not sure enough of any word: the nearest, ‘two’, has a probability of 0.")
    assert found.contrast is not None and "‘two’ is " in found.why


def test_long_words_leave_the_picture_its_room(said, tmp_path):
    from asrkit.plots.explained import plot_explained

    model = asrkit.train(
        {word * 200: sounds for word, sounds in recordings(3).items()}, rate_hz=RATE_HZ, family="gmm"
    )
    plot_explained(explain(model, said), tmp_path / "p.png", "x" * 1000)  # a warning would be an error
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
