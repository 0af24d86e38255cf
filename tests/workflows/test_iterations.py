"""The models of every iteration of a training, kept: beside the model that it would have come to anyway, the same bytes however it went."""

import json

import kaldiio
import numpy as np
import pytest
from oracle import assert_same_bytes

import asrkit
from asrkit import study
from asrkit.cli.main import main
from asrkit.errors import DataError
from asrkit.io.files import write_table
from asrkit.io.iterations import NAME, write_iterations
from asrkit.words.settings import TrainingSettings
from asrkit.workflows import train as train_module
from asrkit.workflows.info import info
from asrkit.workflows.train import train

WORDS = ("a/0", "eins", "zwei drei", "drei")
SETTINGS = {
    "gmm": {"num_gauss": 2, "num_starts": 2},
    "chmm": {"num_states": 2, "num_gauss": 2, "covariance": "diag", "method": "both"},
    "dhmm": {"num_states": 2, "codebook_size": 8, "codebook_max_iters": 2, "smooth": 9.0},
    "dtw": {"num_frames": 8},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    utts = {f"{place}-{take}": word for place, word in enumerate(WORDS) for take in range(6)}
    feats = {utt: np.cumsum(rng.normal(size=(24, 3)), axis=0).astype("f") for utt in utts}
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    write_table(folder / "text", utts)
    (folder / "frame_shift").write_text("0.01\n")
    return folder


@pytest.fixture(autouse=True)
def a_word_a_group(monkeypatch):
    monkeypatch.setattr(train_module, "GROUP", 1)


def settings_of(family):
    how = {"max_iters": 4, "warps": "", "cmvn": "none", "phrases": True, "calibrate": False}
    return TrainingSettings.of(family, **how, **SETTINGS[family])


@pytest.mark.bytes
@pytest.mark.parametrize("family", SETTINGS)
def test_iterations_are_those_of_the_log_and_change_nothing(data, tmp_path, family):
    settings = settings_of(family)
    train(data, tmp_path / "plain", settings)
    train(data, tmp_path / "kept", settings, jobs=2, keep_iterations=True)
    train(data, tmp_path / "again", settings, keep_iterations=True)
    for name in ("final.npz", "train.jsonl"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "kept" / name).read_bytes()
    assert (tmp_path / "kept" / NAME).read_bytes() == (tmp_path / "again" / NAME).read_bytes()
    assert not (tmp_path / "plain" / NAME).exists()
    found = study.iterations(tmp_path / "kept")
    log = list(map(json.loads, (tmp_path / "kept" / "train.jsonl").read_text().splitlines()))
    final = asrkit.load(tmp_path / "kept").vocabulary
    assert set(found) == set(WORDS) == set(final.words)
    for word, steps in found.items():
        own = [entry for entry in log if entry["word"] == word]
        assert [step.objective for step in steps] == [entry["objective"] for entry in own]
        assert [step.model.num_gauss for step in steps] == [entry["gaussians"] for entry in own]
        assert_same_bytes(steps[-1].model, final.models[word])
    if family == "chmm":
        assert {step.method for step in found["eins"]} == {"viterbi", "baum-welch"}
        assert {step.model.num_gauss for step in found["eins"]} == {2, 4}


class Killed(BaseException):
    pass


@pytest.mark.bytes
@pytest.mark.parametrize("family", ["gmm", "dhmm"])
def test_a_killed_training_keeps_what_it_had_kept(data, tmp_path, monkeypatch, family):
    settings, real, done = settings_of(family), train_module.train_group, []

    def work(*arguments):
        if len(done) == 2:
            raise Killed
        done.append(arguments)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "train_group", work)
        with pytest.raises(Killed):
            train(data, tmp_path / "exp", settings, keep_s=0, keep_iterations=True)
    train(data, tmp_path / "exp", settings, keep_iterations=True)
    train(data, tmp_path / "whole", settings, keep_iterations=True)
    for name in ("final.npz", NAME):
        assert (tmp_path / "exp" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.bytes
def test_what_was_kept_without_iterations_is_not_gone_on_from(data, tmp_path, monkeypatch):
    settings = settings_of("gmm")
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "vocabulary_of", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train(data, tmp_path, settings, keep_s=0)
    train(data, tmp_path, settings, keep_iterations=True)
    assert set(study.iterations(tmp_path)) == set(WORDS)
    train(data, tmp_path, settings)
    assert not (tmp_path / NAME).exists(), "those of another training"


def test_the_command_writes_them_and_info_counts_them(data, tmp_path, capsys):
    options = ["--family", "gmm", "--num-gauss", "1", "--phrases", "--keep-iterations"]
    assert main(["train", str(data), str(tmp_path), *options]) == 0
    found = study.iterations(tmp_path / NAME)
    assert f"  eins: {len(found['eins'])} models" in info(tmp_path / NAME).lines()


def test_in_python_they_stay_in_memory(data, tmp_path):
    how = {"family": "gmm", "num_gauss": 2, "phrases": True}
    model = asrkit.train(data, keep_iterations=True, **how)
    found = study.iterations(model)
    for word, steps in found.items():
        assert_same_bytes(steps[-1].model, model.vocabulary.models[word])
        if len(steps) > 2:
            assert steps[0].model is not steps[1].model
    train(data, tmp_path, TrainingSettings.of("gmm", num_gauss=2, phrases=True), keep_iterations=True)
    read = study.iterations(tmp_path)
    for word, steps in found.items():
        for ours, theirs in zip(steps, read[word], strict=True):
            assert_same_bytes(ours.model, theirs.model)
    with pytest.raises(DataError, match="keep_iterations=True"):
        study.iterations(asrkit.train(data, **how))


def test_what_is_none_is_told(data, tmp_path):
    with pytest.raises(DataError, match="iterations.npz: no such file .*--keep-iterations true"):
        study.iterations(tmp_path)
    with pytest.raises(DataError, match="source is 3"):
        study.iterations(3)
    model = asrkit.train(data, keep_iterations=True, family="gmm", num_gauss=1, phrases=True)
    model.save(tmp_path)
    with pytest.raises(DataError, match="holds a model, not a record of iterations"):
        study.iterations(tmp_path / "final.npz")
    trained, path = model.training, tmp_path / NAME
    broken = {word: [{**entry, "frames": "many"} for entry in own] for word, own in trained.by_word.items()}
    write_iterations(path, trained.vocabulary, broken, trained.histories)
    with pytest.raises(DataError, match="iterations.npz: its content does not fit .*frames is no int"):
        study.iterations(path)
    write_iterations(path, trained.vocabulary, trained.by_word, trained.histories)
    assert set(study.iterations(path)) == set(WORDS)
    lost = {word: [*own, own[-1]] for word, own in trained.by_word.items()}
    write_iterations(path, trained.vocabulary, lost, trained.histories)
    with pytest.raises(DataError, match="does not fit"):
        study.iterations(path)
