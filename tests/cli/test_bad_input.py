"""What bad input gets from train, decode and the model files: one clear line, status 1, nothing half-written."""

import json
import shutil
import subprocess
import sys
import time

import kaldiio
import numpy as np
import pytest

from asrkit.cli import main as cli
from asrkit.errors import DataError
from asrkit.io.model_file import read_model, read_npz, write_npz

DIM = 3


def asrkit(*words):
    return cli.main([str(word) for word in words])


def write_dir(path, feats, text):
    path.mkdir(parents=True, exist_ok=True)
    kaldiio.save_ark(str(path / "feats.ark"), feats, scp=str(path / "feats.scp"))
    (path / "text").write_text("".join(f"{utt} {word}\n" for utt, word in sorted(text.items())))
    return path


@pytest.fixture
def feats():
    rng = np.random.default_rng(0)
    return {
        f"{word}-{i}": (rng.normal(size=(20, DIM)) + shift).astype(np.float32)
        for word, shift in (("a", 0), ("b", 3))
        for i in range(4)
    }


@pytest.fixture
def text(feats):
    return {utt: utt[0] for utt in feats}


@pytest.fixture
def trained(tmp_path, feats, text, capsys):
    train = write_dir(tmp_path / "train", feats, text)
    assert (
        asrkit(
            "train", train, tmp_path / "exp", "--family", "chmm", "--num-states", "5", "--covariance", "diag"
        )
        == 0
    )
    capsys.readouterr()
    return tmp_path / "exp"


def fails(capsys, *words, says, status=1):
    """The command fails, its last line says all of `says`."""
    assert asrkit(*words) == status
    captured = capsys.readouterr()
    line = captured.err.strip().splitlines()[-1]
    for part in says:
        assert part in line, f"'{part}' is not in: {line}"
    assert "Traceback" not in captured.err
    return captured


def test_nan_frames_are_named_and_training_writes_nothing(tmp_path, feats, text, capsys):
    feats["a-1"][3, 1] = np.nan
    train = write_dir(tmp_path / "train", feats, text)
    fails(
        capsys,
        "train",
        train,
        tmp_path / "exp",
        "--family",
        "chmm",
        says=["a-1", "1 of 20 frames hold NaN", "--max-skipped"],
    )
    assert not (tmp_path / "exp" / "final.npz").exists()
    assert asrkit("train", train, tmp_path / "exp", "--family", "chmm", "--max-skipped", "1") == 0
    out = capsys.readouterr().out
    assert "on 7, skipped 1 (a-1: 1 of 20 frames hold NaN" in out


def test_utterance_in_text_but_not_in_feats(tmp_path, feats, text, capsys):
    text["a-9"] = "a"
    train = write_dir(tmp_path / "train", feats, text)
    fails(
        capsys,
        "train",
        train,
        tmp_path / "exp",
        "--family",
        "gmm",
        says=["text:5", "'a-9'", "feats.scp", "fix-data"],
    )


def test_two_words_are_not_a_word(tmp_path, feats, text, capsys):
    text["a-2"] = "a b"
    train = write_dir(tmp_path / "train", feats, text)
    fails(
        capsys,
        "train",
        train,
        tmp_path / "exp",
        "--family",
        "gmm",
        says=["text:3", "'a-2'", "'a b'", "one word"],
    )


def test_unsorted_text(tmp_path, feats, text, capsys):
    train = write_dir(tmp_path / "train", feats, text)
    lines = (train / "text").read_text().splitlines(keepends=True)
    (train / "text").write_text("".join(reversed(lines)))
    fails(capsys, "train", train, tmp_path / "exp", "--family", "gmm", says=["text:2", "'b-2'", "fix-data"])


def test_missing_files(tmp_path, feats, text, capsys):
    train = write_dir(tmp_path / "train", feats, text)
    (train / "text").unlink()
    fails(capsys, "train", train, tmp_path / "exp", "--family", "gmm", says=[str(train / "text")])
    (train / "feats.scp").unlink()
    fails(capsys, "train", train, tmp_path / "exp", "--family", "gmm", says=["train"])
    fails(capsys, "train", tmp_path / "nowhere", tmp_path / "exp", "--family", "gmm", says=["nowhere"])


def test_dimensions_that_differ(tmp_path, feats, text, capsys):
    feats["b-0"] = np.zeros((20, DIM + 1), dtype=np.float32)
    train = write_dir(tmp_path / "train", feats, text)
    fails(capsys, "train", train, tmp_path / "exp", "--family", "gmm", says=["feats.scp", "'b-0'", "4", "3"])


def test_ark_cut_off_in_the_middle(tmp_path, feats, text, trained, capsys):
    test = write_dir(tmp_path / "test", feats, text)
    data = (test / "feats.ark").read_bytes()
    (test / "feats.ark").write_bytes(data[: len(data) // 2])
    fails(capsys, "decode", trained, test, trained / "decode", says=["feats.scp", "feats.ark", "cut off"])
    assert not (trained / "decode").exists()


def test_too_short_is_skipped_counted_and_an_error_of_the_system(tmp_path, feats, text, trained, capsys):
    feats["b-3"] = feats["b-3"][:3]
    test = write_dir(tmp_path / "test", feats, text)
    assert asrkit("decode", trained, test, trained / "decode") == 1
    assert "decoded 7, skipped 1 (b-3: 3 frames < 5 states)" in capsys.readouterr().out
    assert asrkit("decode", trained, test, trained / "decode", "--max-skipped", "1") == 0
    assert asrkit("score", test, trained / "decode") == 0
    report = json.loads((trained / "decode" / "report.json").read_text())
    assert report["total"] == 8 and report["errors"] == 1
    assert "b-3" in capsys.readouterr().out


def test_no_frames(tmp_path, feats, text, trained, capsys):
    feats["a-0"] = np.zeros((0, DIM), dtype=np.float32)
    test = write_dir(tmp_path / "test", feats, text)
    assert asrkit("decode", trained, test, trained / "decode") == 1
    assert "a-0: no frames" in capsys.readouterr().out


def test_unknown_word_in_the_test_set(tmp_path, feats, text, trained, capsys):
    text["b-3"] = "zebra"
    test = write_dir(tmp_path / "test", feats, text)
    assert asrkit("decode", trained, test, trained / "decode") == 0
    assert asrkit("score", test, trained / "decode") == 0
    out = capsys.readouterr().out
    assert "%WER 12.50 [ 1 / 8" in out and "zebra (1)" in out
    fails(capsys, "align", trained, test, tmp_path / "ali", says=["b-3", "does not know the word 'zebra'"])
    assert not (tmp_path / "ali").exists()


def test_features_of_another_kind(tmp_path, feats, text, trained, capsys):
    wider = {utt: np.hstack([x, x]) for utt, x in feats.items()}
    test = write_dir(tmp_path / "test", wider, text)
    fails(capsys, "decode", trained, test, trained / "decode", says=["dimension is 6, the model's is 3"])


def test_features_made_with_other_settings(tmp_path, feats, text, capsys):
    train, test = write_dir(tmp_path / "train", feats, text), write_dir(tmp_path / "test", feats, text)
    (train / "frontend.conf").write_text("--num-ceps=3\n--sample-frequency=8000\n")
    (test / "frontend.conf").write_text("--num-ceps=3\n--sample-frequency=16000\n")
    assert asrkit("train", train, tmp_path / "exp", "--family", "gmm") == 0
    fails(
        capsys,
        "decode",
        tmp_path / "exp",
        test,
        tmp_path / "exp" / "decode",
        says=["sample_rate_hz is 16000, the model's is 8000"],
    )
    (test / "frontend.conf").write_text("--num-cepst=3\n")
    fails(
        capsys,
        "decode",
        tmp_path / "exp",
        test,
        tmp_path / "exp" / "decode",
        says=["frontend.conf", "--num-cepst"],
    )


def test_a_model_of_given_features_cannot_hear(trained, tmp_path, capsys):
    fails(capsys, "recognize", trained, tmp_path / "a.wav", says=["nobody said how to make"])


def test_output_folder_that_cannot_be_written(tmp_path, feats, text, trained, capsys):
    (tmp_path / "file").write_text("in the way")
    fails(
        capsys,
        "train",
        tmp_path / "train",
        tmp_path / "file" / "exp",
        "--family",
        "gmm",
        says=["file/exp", "cannot be written"],
    )
    fails(
        capsys,
        "decode",
        trained,
        tmp_path / "train",
        tmp_path / "file" / "out",
        says=["file/out", "cannot be written"],
    )


def test_a_word_without_usable_data(tmp_path, feats, text, capsys):
    for utt in feats:
        if utt[0] == "b":
            feats[utt][0, 0] = np.inf
    train = write_dir(tmp_path / "train", feats, text)
    fails(
        capsys,
        "train",
        train,
        tmp_path / "exp",
        "--family",
        "chmm",
        "--max-skipped",
        "9",
        says=["word 'b' has no utterance"],
    )


def test_codebook_of_other_features(tmp_path, feats, text, capsys):
    train = write_dir(tmp_path / "train", feats, text)
    assert (
        asrkit("train-codebook", train, tmp_path / "exp", "--delta-order", "0", "--codebook-size", "4") == 0
    )
    fails(capsys, "train", train, tmp_path / "exp", "--family", "dhmm", says=["codebook.npz", "another kind"])


def test_model_file_cut_off_anywhere(trained):
    data = (trained / "final.npz").read_bytes()
    for length in [*range(0, 200, 7), *range(200, len(data), 997), len(data) - 1]:
        path = trained / "cut.npz"
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match="cut.npz"):
            read_model(path)


def test_model_file_of_another_version(trained, tmp_path, monkeypatch):
    from asrkit.io import model_file

    meta, arrays = read_npz(trained / "final.npz", "model")
    monkeypatch.setattr(model_file, "VERSION", 99)
    write_npz(tmp_path / "new.npz", "model", meta, arrays)
    monkeypatch.undo()
    with pytest.raises(DataError, match="format version 99, this asrkit reads versions 2, 3 and 4"):
        read_model(tmp_path / "new.npz")


@pytest.mark.parametrize("content", [b"", b"PK", b"hello", b"\x80\x04N."])
def test_not_a_model(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match="x.npz: (not an asrkit model|cut off)"):
        read_model(tmp_path / "x.npz")


def test_foreign_npz_and_pickled_arrays_are_no_models(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(DataError, match="not an asrkit model"):
        read_model(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", meta=np.array([{"asrkit": "model"}], dtype=object))
    with pytest.raises(DataError, match="not an asrkit model"):
        read_model(tmp_path / "y.npz")


def test_codebook_is_not_a_model(tmp_path, feats, text):
    train = write_dir(tmp_path / "train", feats, text)
    assert asrkit("train-codebook", train, tmp_path / "exp", "--codebook-size", "4") == 0
    shutil.copy(tmp_path / "exp" / "codebook.npz", tmp_path / "exp" / "final.npz")
    with pytest.raises(DataError, match="holds a codebook, not a model"):
        read_model(tmp_path / "exp")


def test_model_with_arrays_missing_or_a_family_nobody_knows(trained, tmp_path):
    meta, arrays = read_npz(trained / "final.npz", "model")
    write_npz(
        tmp_path / "a.npz",
        "model",
        meta,
        {name: a for name, a in arrays.items() if not name.endswith("means")},
    )
    write_npz(tmp_path / "b.npz", "model", {**meta, "family": "transformer"}, arrays)
    for name in ("a", "b"):
        with pytest.raises(DataError, match="does not fit"):
            read_model(tmp_path / f"{name}.npz")


def edited(trained, tmp_path, change):
    meta, arrays = read_npz(trained / "final.npz", "model")
    change(meta, arrays)
    write_npz(tmp_path / "edited.npz", "model", meta, arrays)
    return tmp_path / "edited.npz"


@pytest.mark.parametrize(
    "change, says",
    [
        (
            lambda meta, arrays: arrays.update({"a/means": arrays["a/means"] * np.nan}),
            "word 'a': means holds NaN",
        ),
        (
            lambda meta, arrays: arrays.update({"a/variances": -arrays["a/variances"]}),
            "variances are not all positive",
        ),
        (
            lambda meta, arrays: arrays.update({"b/log_start": np.tile(arrays["b/log_start"], 50)}),
            "word 'b': log_trans is",
        ),
        (lambda meta, arrays: arrays.update({"b/log_exit": arrays["b/log_exit"][:-1]}), "log_exit is"),
        (
            lambda meta, arrays: arrays.update({"b/log_trans": arrays["b/log_trans"] + 1}),
            "does not sum to one",
        ),
        (
            lambda meta, arrays: arrays.update({"b/means": arrays["b/means"].astype(np.float32)}),
            "means is float32",
        ),
        (lambda meta, arrays: meta.update(words=[]), "no vocabulary"),
        (lambda meta, arrays: meta.update(words=["a", "a"]), "no vocabulary"),
        (lambda meta, arrays: meta.update(family="__init__"), "no family '__init__'"),
        (lambda meta, arrays: meta.update(config=5), "does not fit"),
        (
            lambda meta, arrays: meta["config"]["family"].update(variance_floor=-3),
            "variance_floor=-3.0 is less than 0",
        ),
        (lambda meta, arrays: meta["frontend"].update(transform=None), "does not fit"),
        (lambda meta, arrays: meta["frontend"]["transform"].update(delta_order=1), "means is float64"),
    ],
)
def test_edited_models_are_refused_before_anything_is_computed(trained, tmp_path, change, says):
    with pytest.raises(DataError, match=r"edited\.npz") as refused:
        read_model(edited(trained, tmp_path, change))
    assert says in str(refused.value)


@pytest.mark.parametrize("word", [".codebook", "the-codebook", "__meta__", "../../x"])
def test_words_with_odd_names_survive_their_model_file(tmp_path, feats, word):
    text = {utt: word if utt[0] == "a" else "b" for utt in feats}
    train = write_dir(tmp_path / "train", feats, text)
    assert asrkit("train-codebook", train, tmp_path / "exp", "--codebook-size", "4") == 0
    assert asrkit("train", train, tmp_path / "exp", "--family", "dhmm", "--num-states", "3") == 0
    assert word in read_model(tmp_path / "exp").words


def test_a_failing_decode_leaves_no_old_hypotheses(tmp_path, feats, text, trained, capsys):
    test = write_dir(tmp_path / "test", feats, text)
    assert asrkit("decode", trained, test, trained / "decode") == 0
    (trained / "decode" / "decode.json").unlink()
    (trained / "decode" / "decode.json").mkdir()
    fails(capsys, "decode", trained, test, trained / "decode", says=["decode.json", "cannot be written"])
    assert not (trained / "decode" / "hyp").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM to catch")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_terminated_training_leaves_nothing_behind(tmp_path, feats, text, jobs):
    """SIGTERM in the middle: status 143, no file of any name, no process that outlives its parent."""
    rng = np.random.default_rng(0)
    long = {utt: rng.normal(size=(3000, DIM)).astype(np.float32) for utt in feats}
    train = write_dir(tmp_path / "train", long, text)
    words = [
        "train",
        str(train),
        str(tmp_path / "exp"),
        "--family",
        "gmm",
        "--num-gauss",
        "64",
        "--tol",
        "0",
        "--max-iters",
        "100000",
        "--nj",
        jobs,
    ]
    running = subprocess.Popen(
        [sys.executable, "-m", "asrkit", *words], stderr=subprocess.PIPE, start_new_session=True
    )
    time.sleep(2)
    assert running.poll() is None
    running.terminate()
    # The pipe ends only when the last process that holds it has ended.
    _, err = running.communicate(timeout=30)
    assert running.returncode == 143 and err.decode().rstrip().endswith(": terminated")
    assert not (tmp_path / "exp").exists()
