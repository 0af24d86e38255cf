"""asrkit adapt: the command, on invented speech."""

import json

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from oracle import assert_same_bytes
from synthetic import RATE_HZ, word_samples, write_words

from asrkit.cli import main as cli
from asrkit.io.model_file import read_model

SMALL = {
    "gmm": ["--num-gauss=4"],
    "dhmm": ["--num-states=5"],
    "chmm": ["--num-states=5", "--num-gauss=2"],
    "schmm": ["--num-states=5", "--num-gauss=8"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Models of three words by two voices, and one take of two of the words by a third, far from the
    microphone.
    """
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav")
    for word in ("one", "two"):
        for take in range(3):
            rng = np.random.default_rng([7, ord(word[0]), take])
            sound = word_samples(word, rng, 260.0)
            (top / "new").mkdir(exist_ok=True)
            soundfile.write(
                top / "new" / f"{word}_cid_{take}.wav",
                np.convolve(sound, [0.5, 0.4, 0.3])[: len(sound)].astype(np.float32),
                RATE_HZ,
            )
    for source in ("wavs", "new"):
        asrkit("prepare-wavs", top / source, top / f"data_{source}", "--pattern", "{word}_{speaker}_{index}")
        asrkit("compute-mfcc", top / f"data_{source}", *MFCC)
    asrkit("train-codebook", top / "data_wavs", top / "dhmm", "--codebook-size", "16")
    for family, options in SMALL.items():
        asrkit("train", top / "data_wavs", top / family, "--family", family, *options)
    return top


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.parametrize("method", ["map", "mllr", "mllr-map"])
def test_adapt_and_use(world, family, method, tmp_path, capsys):
    out = tmp_path / "out"
    if family == "dhmm" and method != "map":
        asrkit("adapt", world / family, world / "data_new", out, "--method", method, status=1)
        assert (
            f"a dhmm can't be adapted by {method} (take map)" in capsys.readouterr().err and not out.exists()
        )
        return
    asrkit("adapt", world / family, world / "data_new", out, "--method", method)
    said = capsys.readouterr().out
    assert "adapted 2 of 3 words, to 6, skipped 0 utterances" in said
    assert (
        f"1 words (three) have no recordings: {'left behind (--method mllr moves them, too)' if method == 'map' else 'moved with the others'}"
        in said
    )
    lines = [json.loads(line) for line in (out / "adapt.jsonl").read_text().splitlines()]
    assert [(line["method"], line["iteration"]) for line in lines if line["word"] == "two"] == [
        (step, i) for step in method.split("-") for i in range(6)
    ]
    (before, frames), (after, _) = (
        [sum(line[key] for line in some) for key in ("log_like", "frames")]
        for some in (lines[: 2 + (method != "map")], lines[-2 - (method == "mllr") :])
    )
    assert (
        after > before and f"was {before / frames:.5f}, is {after / frames:.5f} over {frames} frames" in said
    )
    old, new = read_model(world / family), read_model(out)
    assert (
        new.words == old.words
        and new.config["adapt"][0]["method"] == method
        and new.data_hash == old.data_hash
    )
    if method == "map":
        assert_same_bytes(new.models["three"], old.models["three"])
    asrkit("decode", out, world / "data_new", out / "decode")
    asrkit("recognize", out, world / "new" / "two_cid_0.wav")
    assert capsys.readouterr().out.split()[-3] == "two"
    again = tmp_path / "again"
    asrkit("adapt", world / family, world / "data_new", again, "--method", method)
    assert (again / "final.npz").read_bytes() == (out / "final.npz").read_bytes()
    asrkit("adapt", out, world / "data_new", again)
    assert [step["method"] for step in read_model(again).config["adapt"]] == [method, "map"]
    asrkit("info", again)


def test_blocks_are_statics_and_deltas(world, tmp_path):
    """How far a mean's first 13 dimensions move is decided by these alone."""
    asrkit(
        "adapt",
        world / "chmm",
        world / "data_new",
        tmp_path / "out",
        "--method",
        "mllr",
        "--transform",
        "block",
    )
    old, new = (
        np.concatenate([model.emission.means.reshape(-1, 39) for model in read_model(path).models.values()])
        for path in (world / "chmm", tmp_path / "out")
    )
    for own in np.split(np.arange(39), 3):
        design = np.column_stack([np.ones(len(old)), old[:, own]])
        rest = new[:, own] - design @ np.linalg.lstsq(design, new[:, own], rcond=None)[0]
        assert len(old) == 30 and abs(rest).max() < 1e-6 * abs(new - old).max()


def test_an_adapted_model_hears_as_its_recordings_were_cut(world, tmp_path):
    import shutil

    shutil.copytree(world / "data_new", tmp_path / "cut")
    asrkit("detect-endpoints", tmp_path / "cut")
    asrkit("compute-mfcc", tmp_path / "cut", *MFCC)
    asrkit("adapt", world / "chmm", tmp_path / "cut", tmp_path / "out")
    assert read_model(world / "chmm").frontend.endpoint is None
    endpoint = read_model(tmp_path / "out").frontend.endpoint
    assert endpoint is not None
    asrkit("adapt", tmp_path / "out", world / "data_new", tmp_path / "again")
    assert read_model(tmp_path / "again").frontend.endpoint == endpoint


def test_words_that_the_model_does_not_know(world, tmp_path, capsys):
    import shutil

    data = tmp_path / "data"
    shutil.copytree(world / "data_new", data)
    text = (data / "text").read_text()
    (data / "text").write_text(text.replace("cid-one-0 one", "cid-one-0 eleven"))
    asrkit("adapt", world / "chmm", data, tmp_path / "out", status=1)
    err = capsys.readouterr().err
    assert (
        "adapted to 5, skipped 1 (cid-one-0: the model has no word 'eleven'): more than --max-skipped 0"
        in err
    )
    assert not (tmp_path / "out" / "final.npz").exists()
    asrkit("adapt", world / "chmm", data, tmp_path / "out", "--max-skipped", "1")
    assert "adapted 2 of 3 words, to 5, skipped 1 (cid-one-0" in capsys.readouterr().out
    (data / "text").write_text(text.replace(" one", " eleven").replace(" two", " twelve"))
    asrkit("adapt", world / "chmm", data, tmp_path / "none", "--max-skipped", "6", status=1)
    assert "no utterance says a word of" in capsys.readouterr().err


def test_recordings_too_short_for_the_word_are_named(world, tmp_path, capsys):
    (tmp_path / "wavs").mkdir()
    for name, samples in (("one_cid_0", 320), ("one_cid_1", None), ("two_cid_0", 320)):
        soundfile.write(
            tmp_path / "wavs" / f"{name}.wav",
            word_samples(name[:3], np.random.default_rng(1))[:samples],
            RATE_HZ,
        )
    asrkit("prepare-wavs", tmp_path / "wavs", tmp_path / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", tmp_path / "data", *MFCC)
    asrkit("adapt", world / "chmm", tmp_path / "data", tmp_path / "out", "--max-skipped", "2")
    says = "adapted 1 of 3 words, to 1, skipped 2 (cid-one-0: 2 frames < 5 states; cid-two-0: 2 frames < 5 states)"
    assert says in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "out" / "adapt.jsonl").read_text().splitlines()]
    assert {(line["word"], line["utts"], line["skipped"]) for line in lines} == {("one", 1, 1)}


def test_features_of_another_kind_and_wrong_settings_are_refused(world, tmp_path, capsys):
    import shutil

    shutil.copytree(world / "data_new", tmp_path / "data")
    asrkit("compute-mfcc", tmp_path / "data", "--sample-frequency=8000")
    asrkit("adapt", world / "chmm", tmp_path / "data", tmp_path / "out", status=1)
    assert (
        "features of another kind than the model's" in capsys.readouterr().err
        and not (tmp_path / "out").exists()
    )
    with pytest.raises(SystemExit) as ended:
        cli.main(
            [
                "adapt",
                str(world / "chmm"),
                str(world / "data_new"),
                str(tmp_path / "out"),
                "--update",
                "variances",
            ]
        )
    assert ended.value.code == 2 and "variances move with their means" in capsys.readouterr().err
