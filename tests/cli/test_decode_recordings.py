"""decode of a data directory without features: they are made of its recordings, as the model wants them."""

import shutil

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from synthetic import RATE_HZ, write_words

from asrkit.io.files import read_table


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model of trimmed recordings, one of recordings whose ends were found, and other recordings."""
    top = tmp_path_factory.mktemp("world")
    for name, takes, pad_s in (("train", range(5), 0.0), ("long", range(5), 0.5), ("test", range(5, 9), 0.0)):
        write_words(top / f"{name}_wavs", "{word}/{speaker}_{take}.wav", takes=takes, pad_s=pad_s)
        asrkit("prepare-wavs", top / f"{name}_wavs", top / name, "--pattern={word}/{speaker}_{index}")
    for name in ("train", "long"):
        asrkit("compute-mfcc", top / name, *MFCC)
        asrkit("train", top / name, top / f"exp_{name}", "--family=chmm", "--num-states=4", "--warps=")
    return top


def copied(folder, to):
    shutil.copytree(folder, to)
    return to


def decoded(folder):
    return [(folder / name).read_bytes() for name in ("hyp", "scores.ark", "skipped", "confidence")]


@pytest.mark.parametrize(
    "listen", ["--adapt=none", "--adapt=causal", "--adapt=whole", "--test-warps=0.9,1.1"]
)
def test_it_is_what_computing_them_first_gives(world, tmp_path, listen):
    data = copied(world / "test", tmp_path / "data")
    for jobs in (1, 2):
        asrkit("decode", world / "exp_train", data, tmp_path / f"own_{jobs}", listen, f"--nj={jobs}")
    assert sorted(path.name for path in data.iterdir()) == sorted(p.name for p in (world / "test").iterdir())
    asrkit("compute-mfcc", data, "--like", world / "exp_train")
    asrkit("decode", world / "exp_train", data, tmp_path / "stored", listen)
    assert decoded(tmp_path / "own_1") == decoded(tmp_path / "own_2") == decoded(tmp_path / "stored")
    asrkit("score", data, tmp_path / "own_1")


def test_segments_say_where_the_words_are(world, tmp_path):
    data = copied(world / "long", tmp_path / "data")
    assert (data / "segments").exists()
    for name in ("feats.scp", "cmvn.scp", "frontend.conf"):
        (data / name).unlink(missing_ok=True)
    asrkit("decode", world / "exp_long", data, tmp_path / "own")
    asrkit("decode", world / "exp_long", world / "long", tmp_path / "stored")
    assert decoded(tmp_path / "own") == decoded(tmp_path / "stored")


def test_a_model_that_looks_for_the_speech_finds_it_without_segments(world, tmp_path):
    data = copied(world / "long", tmp_path / "data")
    recordings = read_table(data / "wav.scp")
    for name in ("feats.scp", "segments", "text", "utt2spk", "spk2utt", "utt2dur", "utt2num_frames"):
        (data / name).unlink(missing_ok=True)
    asrkit("decode", world / "exp_long", data, tmp_path / "own")
    hyp = read_table(tmp_path / "own" / "hyp")
    assert set(hyp) == set(recordings)
    truth = read_table(world / "long" / "text")
    right = sum(word == truth[utt] for utt, word in hyp.items() if utt in truth)
    assert right >= 0.9 * sum(utt in truth for utt in hyp) > 0


def test_recordings_that_can_not_be_used_are_counted_and_named(world, tmp_path, capsys):
    data = copied(world / "test", tmp_path / "data")
    bad = next(iter(read_table(data / "wav.scp")))
    soundfile.write(tmp_path / "silent.wav", np.zeros(4000), RATE_HZ)
    text = (data / "wav.scp").read_text().splitlines()
    (data / "wav.scp").write_text("\n".join([f"{bad} {tmp_path / 'silent.wav'}", *text[1:]]) + "\n")
    asrkit("decode", world / "exp_train", data, tmp_path / "own", "--max-skipped=1")
    assert "decoded 23, skipped 1" in capsys.readouterr().out
    assert read_table(tmp_path / "own" / "skipped") == {bad: "silent"}


def test_what_can_not_be_made_of_recordings_is_said(world, tmp_path, capsys):
    given = copied(world / "train", tmp_path / "given")
    (given / "frontend.conf").unlink()
    asrkit("train", given, tmp_path / "exp", "--family=gmm", "--num-gauss=1", "--warps=")
    asrkit("decode", tmp_path / "exp", world / "test", tmp_path / "own", status=1)
    assert "it can decode such features, not recordings" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "text").write_text("a one\n")
    asrkit("decode", world / "exp_train", tmp_path / "empty", tmp_path / "own", status=1)
    assert "feats.scp" in capsys.readouterr().err
