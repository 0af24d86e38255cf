"""What train says, makes and refuses: sizes of codebooks, recordings that are too short, words at the iteration limit."""

import json
from types import SimpleNamespace

import kaldiio
import numpy as np
import pytest
from command import asrkit

import asrkit as asrkit_face
from asrkit import families
from asrkit.errors import SettingsError
from asrkit.io.model_file import read_codebook, read_model
from asrkit.sklearn import WordClassifier
from asrkit.words.settings import TrainingSettings
from asrkit.workflows import train as train_module
from asrkit.workflows.train import train, train_beside

HMM = ["--family=chmm", "--num-gauss=1", "--warps="]


@pytest.fixture
def write(tmp_path):
    """A function that writes a data directory: two words, (T, 3) each; lengths by word and take."""

    def write_data(name="data", lengths=None):
        rng, feats = np.random.default_rng(0), {}
        for place, word in enumerate("ab"):
            for take in range(6):
                length = (lengths or {}).get((word, take), 24)
                curve = np.sin(np.linspace(0, 3, length)[:, None] + 2 * place + np.arange(3))
                feats[f"{word}{take}"] = np.float32(curve + 0.3 * rng.standard_normal((length, 3)))
        folder = tmp_path / name
        folder.mkdir()
        kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
        (folder / "text").write_text("".join(f"{utt} {utt[0]}\n" for utt in feats))
        (folder / "utt2spk").write_text("".join(f"{utt} s{utt[1]}\n" for utt in feats))
        return folder

    return write_data


def size_of(exp):
    return read_codebook(exp / "codebook.npz")[0].size


def test_num_symbols_makes_a_codebook_of_that_size(write, tmp_path, capsys):
    data, dhmm = write(), ["--family=dhmm", "--num-states=2", "--max-iters=2", "--warps=", "--delta-order=0"]
    for size in (1, 16, 512):
        exp = tmp_path / f"exp{size}"
        asrkit("train", data, exp, *dhmm, f"--num-symbols={size}")
        held = min(size, 288)  # as many as there are frames
        assert size_of(exp) == held == read_model(exp).config["family"]["num_symbols"]
        assert f"making one with size {size}" in capsys.readouterr().out
        again = (exp / "final.npz").read_bytes()
        asrkit("train", data, exp, *dhmm, f"--num-symbols={size}")
        assert (exp / "final.npz").read_bytes() == again, "with the codebook that is there"
    capsys.readouterr()
    asrkit("train", data, tmp_path / "exp16", *dhmm, "--num-symbols=512", status=1)
    err = capsys.readouterr().err
    assert "codebook.npz: a codebook of 16 vectors, not of --num-symbols 512" in err, (
        "asked for, though it is the default"
    )
    asrkit("train", data, tmp_path / "exp16", *dhmm)
    assert size_of(tmp_path / "exp16") == 16, "who asks for nothing takes what is there"


def test_num_symbols_is_the_size_of_the_codebook_everywhere(write, tmp_path, capsys):
    data, dhmm = write(), ["--family=dhmm", "--num-states=2", "--max-iters=2", "--warps=", "--delta-order=0"]
    asrkit("crossval", data, tmp_path / "cv", "--folds=2", *dhmm, "--num-symbols=8")
    assert {size_of(fold.parent) for fold in tmp_path.glob("cv/fold_*/final.npz")} == {8}
    with pytest.raises(SystemExit):
        asrkit("crossval", data, tmp_path / "cv2", *dhmm, "--num-symbols=8", "--codebook-size=4")
    err = capsys.readouterr().err
    assert "--num-symbols 8 and --codebook-size 4 are the same thing (leave one out)" in err
    asrkit(
        "tune",
        data,
        tmp_path / "tune",
        *dhmm,
        "--folds=2",
        "--num-symbols=8",
        "--try",
        "symbol-floor",
        "0.01",
        "0.1",
    )
    assert {size_of(book.parent) for book in tmp_path.glob("tune/**/codebook.npz")} == {8}
    asrkit("tune", data, tmp_path / "tune2", *dhmm, "--folds=2", "--try", "num-symbols", "4", "8")
    assert {size_of(book.parent) for book in tmp_path.glob("tune2/**/codebook.npz")} == {4, 8}
    asrkit("init-model", data, tmp_path / "start", *dhmm[:2], "--warps=", "--num-symbols=8")
    assert size_of(tmp_path / "start") == 8
    settings = {"family": "dhmm", "num_states": 2, "max_iters": 2, "warps": ""}
    assert asrkit_face.train(data, num_symbols=8, **settings).vocabulary.codebook.size == 8
    with pytest.raises(SettingsError, match="num_symbols=8 and codebook_size=512 are the same thing"):
        asrkit_face.train(data, num_symbols=8, codebook_size=512, **settings)
    X = [np.random.default_rng(seed).standard_normal((9, 3)) for seed in range(6)]
    fitted = WordClassifier(family="dhmm", num_symbols=4, num_states=2, delta_order=0).fit(X, list("abcabc"))
    assert fitted.recognizer_.vocabulary.codebook.size == 4


def test_a_recording_that_is_too_short_stops_only_who_asked_for_the_states(write, tmp_path, capsys):
    data = write(lengths={("a", 0): 2})
    asrkit("train", data, tmp_path / "exp", *HMM)
    out = capsys.readouterr().out
    assert "trained 2 words, on 11, skipped 1 (a0: 2 frames < 8 states) utterances" in out
    assert (
        "1 recordings are too short for the states of their words and were left out" in out
        and "--num-states" in out
    )
    assert list(json.loads((tmp_path / "exp" / "train.json").read_text())["skipped"]) == ["a0"]
    assert read_model(tmp_path / "exp").models["a"].num_states == 8
    asrkit("train", data, tmp_path / "asked", *HMM, "--num-states=12", status=1)
    err = capsys.readouterr().err
    assert "skipped 1 (a0: 2 frames < 8 states): more than --max-skipped 0" in err and "--num-states 2" in err
    asrkit("train", data, tmp_path / "asked", *HMM, "--num-states=2")
    out = capsys.readouterr().out
    assert "skipped 0" in out and "too short" not in out, "the remedy helps"
    asrkit("train", data, tmp_path / "asked", *HMM, "--num-states=12", "--max-skipped=1")
    assert "skipped 1 (a0" in capsys.readouterr().out


def test_more_short_recordings_than_a_slip_get_the_word_fewer_states(write, tmp_path, capsys):
    data = write(lengths={("a", 0): 2, ("a", 1): 3, ("a", 2): 3})
    asrkit("train", data, tmp_path / "exp", *HMM)
    out = capsys.readouterr().out
    assert "skipped 1 (a0: 2 frames < 3 states)" in out and "1 words (a) have 3 states, not 8" in out
    assert [read_model(tmp_path / "exp").models[word].num_states for word in "ab"] == [3, 8]


def test_a_slip_of_a_recording_does_not_stop_decoding(write, tmp_path, capsys):
    """It counts as an error and is said; where the states were asked for, and where there are more, it counts against max_skipped."""
    data, few = write(lengths={("a", 0): 2}), write("few", {(word, 0): 2 for word in "ab"})
    asrkit("train", data, tmp_path / "exp", *HMM)
    asrkit("decode", tmp_path / "exp", data, tmp_path / "decode")
    said = capsys.readouterr().out
    assert "decoded 11, skipped 1 (a0: 2 frames < " in said
    assert "1 recordings have fewer frames than any word has states, and count as errors" in said
    assert "--num-states" in said or "num_states" in said
    asrkit("score", data, tmp_path / "decode")
    assert "[ 1 / 12, 0 ins, 1 del, 0 sub ]" in capsys.readouterr().out
    asrkit("crossval", data, tmp_path / "cv", "--folds=3", *HMM)
    assert "1 recordings have fewer frames than any word has states" in capsys.readouterr().out
    asrkit("decode", tmp_path / "exp", few, tmp_path / "decode", status=1)
    asrkit("crossval", few, tmp_path / "cv2", "--folds=3", *HMM, "--max-skipped=0", status=1)
    asked = [*HMM, "--num-states=8"]
    asrkit("train", data, tmp_path / "asked", *asked, "--max-skipped=1")
    asrkit("decode", tmp_path / "asked", data, tmp_path / "decode", status=1)


def test_the_steps_of_a_cluster_leave_out_what_train_does(write, tmp_path, capsys):
    data = write(lengths={("a", 0): 2})
    asrkit("init-model", data, tmp_path, *HMM)
    asrkit("acc-stats", tmp_path / "0.npz", data, tmp_path / "stats.npz")
    assert "accumulated 11, skipped 1 (a0: 2 frames < 8 states)" in capsys.readouterr().out


@pytest.mark.parametrize("family", families.names())
def test_words_at_the_iteration_limit_are_counted(write, tmp_path, capsys, family):
    data, own = write(), [f"--family={family}", "--warps="]
    limited = set()
    for settings in (["--tol=0", "--max-iters=1"], ["--tol=0", "--max-iters=2"], ["--tol=100"]):
        asrkit("train", data, tmp_path / "exp", *own, *settings)
        out = capsys.readouterr().out
        entries = map(json.loads, (tmp_path / "exp" / "train.jsonl").read_text().splitlines())
        last = {entry["word"]: entry["ending"] for entry in entries}
        words = [word for word, ending in last.items() if ending == "iteration limit"]
        names = ", ".join(words)
        said = f"{len(words)} words stopped at the iteration limit before they converged ({names}): raise --max-iters"
        assert (said in out) == bool(words) == ("iteration limit" in out)
        limited.update(words)
    assert limited or family in ("chmm", "dhmm", "dtw")


SHARED = ["--family=gmm", "--num-gauss=2", "--num-starts=1", "--max-iters=2", "--warps=", "--covariance=full"]


def arrays(path):
    return {word: model.to_arrays() for word, model in read_model(path).models.items()}


@pytest.mark.bytes
def test_shared_covariances_on_a_cluster_and_in_any_number_of_jobs(write, tmp_path, monkeypatch, capsys):
    """acc-stats on two halves and est-model, as often as train iterates, and once more with --finish: the same model."""
    data, exp, options = write(), tmp_path / "steps", [*SHARED, "--shared-frames=40"]
    monkeypatch.setattr(train_module, "GROUP", 1)
    for jobs in (1, 2):
        asrkit("train", data, tmp_path / f"jobs{jobs}", *options, f"--nj={jobs}")
    assert (tmp_path / "jobs1/final.npz").read_bytes() == (tmp_path / "jobs2/final.npz").read_bytes()
    lines = (tmp_path / "jobs1/train.jsonl").read_text()
    assert lines == (tmp_path / "jobs2/train.jsonl").read_text()
    log = [entry for entry in map(json.loads, lines.splitlines()) if entry["word"] == "a"]
    assert [entry["iteration"] for entry in log] == [0, 1, 2, 3] and log[2]["ending"] == log[3]["ending"]
    whole = arrays(tmp_path / "jobs1")
    asrkit("init-model", data, exp, *options)
    asrkit("split-data", data, "2")
    for step in range(3):
        model, sums = exp / f"{step}.npz", [exp / f"{step}.{part}.acc" for part in (1, 2)]
        for part, own in enumerate(sums, 1):
            asrkit("acc-stats", model, data / "split2" / str(part), own)
        asrkit("sum-accs", exp / "whole.acc", *sums)
        finish = str(step == 2).lower()
        asrkit("est-model", model, exp / "whole.acc", exp / f"{step + 1}.npz", "--finish", finish)
    for word, expected in arrays(exp / "3.npz").items():
        for name, array in expected.items():
            np.testing.assert_allclose(array, whole[word][name], rtol=1e-5, atol=1e-6, err_msg=name)
    asrkit("train", data, tmp_path / "own", *SHARED, "--shared-frames=0")
    assert not np.allclose(arrays(tmp_path / "own")["a"]["covariances"], whole["a"]["covariances"], rtol=0.01)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        asrkit("est-model", model, exp / "whole.acc", exp / "no.npz", "--finish", "--grow")
    assert "--grow true and --finish true" in capsys.readouterr().err and not (exp / "no.npz").exists()


def test_nothing_shared_leaves_nothing_to_finish(write, tmp_path):
    data = write()
    asrkit("train", data, tmp_path / "own", *SHARED, "--shared-frames=0")
    asrkit("acc-stats", tmp_path / "own", data, tmp_path / "own.acc")
    asrkit("est-model", tmp_path / "own", tmp_path / "own.acc", tmp_path / "same.npz", "--finish")
    assert (tmp_path / "same.npz").read_bytes() == (tmp_path / "own/final.npz").read_bytes()


def test_trainings_beside_each_other_may_share_differently(write, tmp_path):
    runs = [
        (
            tmp_path / str(count),
            TrainingSettings.of(
                "chmm", num_states=3, num_gauss=2, max_iters=2, covariance="diag", shared_frames=count
            ),
        )
        for count in (0.0, 20.0, 200.0)
    ]
    data = write()
    beside = train_beside(data, runs)
    for (exp, settings), one in zip(runs, beside, strict=True):
        before, entries = (exp / "final.npz").read_bytes(), one.entries
        assert train(data, exp, settings).entries == entries and (exp / "final.npz").read_bytes() == before
    assert len({arrays(exp)["a"]["variances"].tobytes() for exp, _ in runs}) == 3


def test_a_group_is_one_word_or_no_more_than_its_frames(monkeypatch):
    monkeypatch.setattr(train_module, "GROUP", 10)
    frames = {"a": 4, "b": 6, "c": 1, "d": 30, "e": 2}
    groups = train_module.group_words(
        {word: SimpleNamespace(lengths=np.array([n])) for word, n in frames.items()}
    )
    assert [list(own) for own, _ in groups] == [["a", "b"], ["c"], ["d"], ["e"]]
    assert [index for own, _ in groups for index in own.values()] == [0, 1, 2, 3, 4]
