"""asrkit listen, as a program at the end of a pipe."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from streams import stream_of
from synthetic import RATE_HZ, write_words

WORDS = ["one", "three", "two", "one"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model, a stream, and it as raw samples and as WAV."""
    top = tmp_path_factory.mktemp("listen")
    write_words(top / "wavs", "{word}/{speaker}_{take}.wav", speakers=("anna", "bert", "carl"), pad_s=0.03)
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern={word}/{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", *MFCC)
    asrkit("train", top / "data", top / "exp", "--family=chmm", "--num-states=4", "--warps=")
    samples, _ = stream_of(WORDS, np.random.default_rng(0))
    soundfile.write(top / "stream.wav", samples, RATE_HZ)
    (top / "stream.raw").write_bytes(np.round(samples * 32767).astype("<i2").tobytes())
    return top


def run(*words, stdin=b"", check=0):
    done = subprocess.run(
        [sys.executable, "-m", "asrkit", "listen", *map(str, words)],
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == check, done.stderr.decode()
    said = [line for line in done.stderr.decode().splitlines() if not line.startswith("# ")]
    return done.stdout.decode().splitlines(), said


def test_a_pipe_a_wav_in_a_pipe_and_a_file_are_heard_alike(world):
    lines, said = run(world / "exp", "-", stdin=(world / "stream.raw").read_bytes())
    heard = [json.loads(line) for line in lines]
    assert [own["word"] for own in heard] == WORDS and not said
    assert all(0.5 <= own["p"] <= 1 and own["start"] < own["end"] for own in heard)
    wav = (world / "stream.wav").read_bytes()
    assert [json.loads(line)["word"] for line in run(world / "exp", "-", stdin=wav)[0]] == WORDS
    assert run(world / "exp", world / "stream.wav")[0] == run(world / "exp", "-", stdin=wav)[0]


def test_lines_for_people(world, capsys):
    asrkit("listen", world / "exp", world / "stream.wav", "--json=false")
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert [row[2] for row in rows] == WORDS and all(len(row) == 4 for row in rows)


def test_a_pipe_that_ends_in_the_middle_of_a_word(world):
    lines, _ = run(world / "exp", "-", stdin=(world / "stream.raw").read_bytes())
    last = json.loads(lines[-1])
    cut = 2 * round((last["end"] - 0.1) * RATE_HZ) + 1
    lines, said = run(world / "exp", "-", stdin=(world / "stream.raw").read_bytes()[:cut])
    assert len(lines) == 4 and json.loads(lines[-1])["start"] == last["start"]
    assert len(said) == 1 and "ended in the middle of a sample" in said[0]


def test_what_is_not_believed(world, capsys):
    for strict in ("--min-confidence=1", "--reject=0.5"):
        asrkit("listen", world / "exp", world / "stream.wav", strict)
        heard = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(heard) == 4 and "<unk>" in {own["word"] for own in heard}
    with pytest.raises(SystemExit):
        asrkit("listen", world / "exp", world / "stream.wav", "--reject=0.05", "--min-confidence=0.9")
    assert "one of them decides" in capsys.readouterr().err


def test_a_model_that_does_not_know_how_sure_it_may_be(world, tmp_path, capsys):
    asrkit("train", world / "data", tmp_path, "--family=dtw")
    asrkit("listen", tmp_path, world / "stream.wav", status=1)
    assert "train a chmm, gmm, schmm or dhmm; --min-confidence 0 believes all" in capsys.readouterr().err
    asrkit("listen", tmp_path, world / "stream.wav", "--min-confidence=0")
    heard = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [own["word"] for own in heard] == WORDS and {own["p"] for own in heard} == {None}


def test_what_is_known_of_the_speaker_goes_on(world, tmp_path, capsys):
    speaker = [world / "exp", world / "stream.wav", f"--speaker-file={tmp_path / 'anna.npz'}"]
    asrkit("listen", *speaker)
    first = capsys.readouterr().out
    asrkit("listen", *speaker)
    assert capsys.readouterr().out != first
    asrkit("listen", world / "exp", world / "stream.wav", "--same-speaker=false")
    alone = capsys.readouterr().out
    assert alone != first and len(alone.splitlines()) == 4


def test_a_speaker_file_that_can_not_be_written_is_said_at_once(world, tmp_path, capsys):
    for path in (tmp_path, world / "stream.wav" / "anna.npz"):
        for command in ("listen", "recognize"):
            asrkit(command, world / "exp", world / "stream.wav", f"--speaker-file={path}", status=1)
            out, err = capsys.readouterr()
            assert not out and "can't be written there" in err


@pytest.mark.parametrize(
    ("words", "stdin", "why"),
    [
        (["none.wav"], b"", "none.wav"),
        (["-"], b"RIFF\0\0\0\0AVI ", "begins like a WAV, but is none"),
        (["-", "--channel=1"], b"", "channel 1 asked for"),
    ],
)
def test_what_is_no_sound_is_one_line(world, words, stdin, why):
    lines, said = run(world / "exp", *words, stdin=stdin, check=1)
    assert not lines and len(said) == 1 and why in said[0]


def test_samples_that_are_none_are_passed_over_and_said_once(world):
    samples = np.fromfile(world / "stream.raw", "<i2").astype("<f4") / 32768
    samples[RATE_HZ // 10 : RATE_HZ // 8] = np.nan
    lines, said = run(world / "exp", "-", "--format=f32", stdin=samples.tobytes())
    assert len(said) == 1 and "NaN" in said[0] and "passed over" in said[0]
    heard = [json.loads(line) for line in lines]
    whole = [json.loads(line) for line in run(world / "exp", world / "stream.wav")[0]]
    assert [word["word"] for word in heard] == [word["word"] for word in whole]
    np.testing.assert_allclose([w["start"] for w in heard], [w["start"] for w in whole], atol=0.03)


def test_a_standard_input_that_is_closed_or_empty(world):
    command = '"$@" <&-' if os.name == "posix" else ""
    if command:
        words = [sys.executable, "-m", "asrkit", "listen", str(world / "exp"), "-"]
        done = subprocess.run(["sh", "-c", command, "sh", *words], capture_output=True, check=False)
        assert done.returncode == 1 and b"stdin is closed" in done.stderr and b"Traceback" not in done.stderr
    lines, said = run(world / "exp", "-")
    assert not lines and len(said) == 1 and "ended before a sample came" in said[0]


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_who_interrupts_it_has_every_word_up_to_then(world):
    command = [sys.executable, "-m", "asrkit", "listen", world / "exp", "-"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes) as process:
        process.stdin.write((world / "stream.raw").read_bytes()[: -2 * RATE_HZ // 4])
        process.stdin.flush()
        heard = [json.loads(process.stdout.readline())["word"] for _ in range(3)]
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        rest, said = process.stdout.read(), process.stderr.read().decode()
    assert process.returncode == 130 and heard == WORDS[:3]
    assert "asrkit listen: interrupted" in said and "Traceback" not in said
    assert len(rest.splitlines()) <= 1
