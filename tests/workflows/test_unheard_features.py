"""Models of features that can't be made of samples: whoever asks for that is told so."""

import numpy as np
import pytest
import soundfile

from asrkit import FrontEnd
from asrkit.errors import DataError, SettingsError
from asrkit.sklearn import WordClassifier


@pytest.fixture(scope="module")
def recognizer():
    rng = np.random.default_rng(0)
    X = [rng.normal(loc, 1, (20, 2)) for loc in (-3, 3) * 6]
    return WordClassifier("gmm", num_gauss=1).fit(X, ["low", "high"] * 6).recognizer_


def test_recordings_are_refused(recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 8000), 8000)
    for ask in (lambda path: recognizer.recognize(path), lambda path: recognizer.scores([path])):
        with pytest.raises(DataError, match="features that nobody said how to make"):
            ask(tmp_path / "a.wav")


@pytest.mark.parametrize("kind", ["given", "ssl"])
def test_a_front_end_needs_dimensions(kind):
    with pytest.raises(SettingsError, match=f"kind='{kind}'.*dimensions"):
        FrontEnd.of(kind)
