"""Where nobody says who speaks, every command that relies on it says so."""

import logging

import numpy as np
import pytest

from asrkit.cli.main import main
from asrkit.errors import DataError
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import write_table
from asrkit.io.speakers import unknown_speakers
from asrkit.words.settings import TrainingSettings
from asrkit.workflows.check_leaks import check_leaks
from asrkit.workflows.crossval import FoldPlan, RunSettings, crossval
from asrkit.workflows.learning_curve import learning_curve
from asrkit.workflows.split_data import split_data
from asrkit.workflows.subset_data import subset_data
from asrkit.workflows.tune import tune

SETTINGS = RunSettings(TrainingSettings.of("gmm", num_gauss=1, warps=""))


def known(utt):
    return utt.split("-")[0]


def corpus(path, speaker_of, copies=False, table=True):
    """A data directory of two words by four people; `speaker_of` is what utt2spk says of an utterance."""
    path.mkdir()
    rng = np.random.default_rng(0)
    utts = {f"{name}-{word}-{take}": word for name in "abcd" for word in ("no", "yes") for take in range(2)}
    originals = dict(zip(utts, utts))
    speakers = {utt: speaker_of(utt) for utt in utts}
    if copies:
        originals |= {f"sp1.1-{utt}": utt for utt in utts}
        speakers |= {f"sp1.1-{utt}": speaker_of(utt) for utt in utts}
        write_table(path / "utt2uniq", originals)
    for utt, original in originals.items():
        np.save(path / f"{utt}.npy", rng.normal(3 * (utts[original] == "no"), 1, (20, 2)))
    write_table(path / "feats.scp", {utt: f"{path}/{utt}.npy" for utt in originals})
    write_table(path / "text", {utt: utts[original] for utt, original in originals.items()})
    if table:
        write_table(path / "utt2spk", speakers)
    return path


# How a directory may say that it does not know who speaks, and how many utterances it says that of.
UNKNOWN = {
    "each its own": ({"speaker_of": lambda utt: utt}, 16),
    "no table": ({"speaker_of": known, "table": False}, 16),
    "with copies": ({"speaker_of": lambda utt: utt, "copies": True}, 32),
    "some": ({"speaker_of": lambda utt: utt if utt < "b" else known(utt)}, 4),
}


@pytest.fixture(params=UNKNOWN)
def unknown(request, tmp_path):
    settings, count = UNKNOWN[request.param]
    return corpus(tmp_path / "data", **settings), count


def commands(path, out):
    """Every command that relies on speakers, on one directory: dict of name to (lines of its result)."""
    return {
        "crossval": lambda: crossval(path, out / "cv", SETTINGS, FoldPlan(folds=2)).lines(),
        "tune": lambda: tune(
            path, out / "tune", SETTINGS, FoldPlan(folds=2), tries=[["num-gauss", "1"]]
        ).lines(),
        "learning-curve": lambda: learning_curve(path, path, out / "lc", SETTINGS, counts="all").lines(),
        "check-leaks": lambda: check_leaks(path, path).lines(),
        "split-data": lambda: split_data(path, 2).lines(),
        "subset-data": lambda: subset_data(path, out / "part", per_spk=1).lines(),
    }


def test_they_are_found(unknown):
    path, count = unknown
    assert len(unknown_speakers(read_data_dir(path))) == count
    assert not unknown_speakers(read_data_dir(corpus(path.parent / "known", known, copies=True)))


@pytest.mark.parametrize(
    "command", ["crossval", "tune", "learning-curve", "check-leaks", "split-data", "subset-data"]
)
def test_every_command_says_so(unknown, tmp_path, command, caplog):
    path, _ = unknown
    said = "\n".join(commands(path, tmp_path)[command]())
    told = caplog.text + said
    assert "speakers are not known" in told and "--speaker NAME" in told
    if command in ("crossval", "tune"):
        assert "by=random" in caplog.text
    if command in ("crossval", "tune", "learning-curve"):
        assert "the same voice may be in training and in test" in said


@pytest.mark.parametrize(
    "command", ["crossval", "tune", "learning-curve", "check-leaks", "split-data", "subset-data"]
)
def test_of_known_speakers_nothing_is_said(tmp_path, command, caplog):
    path = corpus(tmp_path / "data", known, copies=True)
    told = "\n".join(commands(path, tmp_path)[command]()) + caplog.text
    assert "not known" not in told


def test_the_result_of_random_folds_says_so_without_a_warning(tmp_path, caplog):
    path = corpus(tmp_path / "data", lambda utt: utt)
    lines = crossval(path, tmp_path / "cv", SETTINGS, FoldPlan(by="random", folds=2)).lines()
    assert "of other speakers this says nothing" in lines[-1]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("folds", [0, 2, 5])
@pytest.mark.parametrize("command", [crossval, tune])
def test_one_speaker_alone_is_refused(tmp_path, command, folds):
    path = corpus(tmp_path / "data", lambda utt: "me")
    with pytest.raises(DataError, match=r"there is 1 speaker, 'me', .*\(by=random holds recordings out\)"):
        command(path, tmp_path / "exp", SETTINGS, FoldPlan(folds=folds))


def test_one_speaker_alone_elsewhere(tmp_path):
    path = corpus(tmp_path / "data", lambda utt: "me")
    with pytest.raises(DataError, match=r"1 speaker, who stays together \(per_utt=true"):
        split_data(path, 2)
    assert any("1 speaker alone" in line and "by=random" in line for line in check_leaks(path, path).lines())
    lines = learning_curve(path, path, tmp_path / "lc", SETTINGS, counts="all").lines()
    assert (
        lines[-1] == f"1 of 1 speakers of {path} are in training, too: of unknown speakers this says nothing"
    )


def test_the_command_line_names_the_option(tmp_path, capsys):
    path = corpus(tmp_path / "data", lambda utt: "me")
    assert main(["crossval", str(path), str(tmp_path / "exp"), "--family", "gmm"]) == 1
    assert "1 speaker" in (err := capsys.readouterr().err) and "--by random" in err
