"""What crossval, learning_curve and tune have finished is believed as long as it is as it was finished."""

import json
import shutil

import kaldiio
import numpy as np
import pytest

from asrkit.errors import DataError
from asrkit.io.files import write_table
from asrkit.io.runs import RECORD
from asrkit.words.settings import TrainingSettings
from asrkit.workflows.combine import combine
from asrkit.workflows.compare import compare
from asrkit.workflows.crossval import FoldPlan, RunSettings, crossval
from asrkit.workflows.learning_curve import learning_curve
from asrkit.workflows.score import score
from asrkit.workflows.tune import tune

GIVEN = ("train/feats.scp", "test/text")  # two of the tables that every run writes anew
SECONDS = {"train.json", "codebook.json", "decode.json", "run.json", "crossval.json", "log"}  # hold times
DAMAGES = {
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: bytes(
        byte ^ (place == len(content) // 2) for place, byte in enumerate(content)
    ),
    "removed": None,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    utts = {
        f"{speaker}-{word}-{take}": (speaker, word)
        for speaker in ("amy", "bob")
        for word in ("no", "yes")
        for take in range(3)
    }
    feats = {
        utt: (rng.normal(size=(12, 2)) + 3 * len(word)).astype("f") for utt, (_, word) in sorted(utts.items())
    }
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    write_table(folder / "text", {utt: word for utt, (_, word) in utts.items()})
    write_table(folder / "utt2spk", {utt: speaker for utt, (speaker, _) in utts.items()})
    (folder / "frame_shift").write_text("0.01\n")
    return folder


def settings_of(family):
    own = (
        {"num_states": 2, "codebook_size": 2, "codebook_max_iters": 2}
        if family == "dhmm"
        else {"num_gauss": 1}
    )
    return RunSettings(TrainingSettings.of(family, max_iters=2, warps="", cmvn="none", **own))


def run(data, exp, family="gmm", jobs=1):
    return crossval(data, exp, settings_of(family), FoldPlan(folds=2), jobs=jobs)


@pytest.fixture(scope="module", params=["gmm", "dhmm"])
def finished(data, tmp_path_factory, request):
    exp = tmp_path_factory.mktemp("finished") / "cv"
    run(data, exp, request.param)
    return exp, request.param


def content(folder):
    """The files below a folder; of those that hold times only what else they say."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in SECONDS:
            found[str(path.relative_to(folder))] = path.read_bytes()
        elif path.is_file():
            found[str(path.relative_to(folder))] = None
    facts = json.loads((folder / "fold_1" / "decode_test" / "decode.json").read_text())
    return {**found, "facts": {**facts, "seconds": None}}


def damage(path, how):
    before = path.read_bytes()
    if how is None:
        path.unlink()
    else:
        path.write_bytes(how(before))
    return how is None or path.read_bytes() != before


@pytest.mark.parametrize("how", DAMAGES)
def test_a_fold_with_a_damaged_file_is_made_anew_and_the_file_named(data, finished, tmp_path, caplog, how):
    exp, family = finished
    whole = content(exp)
    paths = [path for path in (exp / "fold_1").rglob("*") if path.is_file() and path.name != "log"]
    names = sorted(str(path.relative_to(exp / "fold_1")) for path in paths)
    names = [name for name in names if not name.startswith("t") or name in GIVEN or name.startswith("train.")]
    if family == "dhmm":
        names = [name for name in names if name.startswith("codebook")]
    assert len(names) == (2 if family == "dhmm" else 14)
    for name in names:
        changed = damage(exp / "fold_1" / name, DAMAGES[how])
        caplog.clear()
        assert run(data, exp, family).report.total.errors == 0
        assert content(exp) == whole, name
        said = [record.getMessage() for record in caplog.records if "made anew" in record.getMessage()]
        if name.startswith(("train/", "test/")) or not changed or (name, how) == (RECORD, "removed"):
            assert not said, name  # written anew each time, or nothing to see
        elif name == RECORD:
            assert said == ["fold 1: run.json is damaged: made anew"]
        else:
            assert said == [f"fold 1: {name} is not as it was finished: made anew"]


def test_a_folder_that_was_moved_is_kept(data, finished, tmp_path, caplog):
    caplog.set_level("INFO")
    whole, family = finished
    shutil.copytree(whole, tmp_path / "moved")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "moved").glob("fold_*/*.*")}
    run(data, tmp_path / "moved", family, jobs=2)
    assert caplog.text.count(": kept") == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"facts": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
        b'{"checksum": 1}',
    ],
)
def test_a_record_that_is_none_is_made_anew(data, finished, caplog, record):
    exp, family = finished
    whole = content(exp)
    (exp / "fold_2" / RECORD).write_bytes(record)
    run(data, exp, family)
    assert "fold 2: run.json is damaged: made anew" in caplog.text and content(exp) == whole


def test_what_an_asrkit_without_checksums_finished_is_made_anew(data, finished, tmp_path, caplog):
    whole, family = finished
    shutil.copytree(whole, tmp_path / "cv")
    path = tmp_path / "cv" / "fold_1" / RECORD
    path.write_text(json.dumps({"signature": json.loads(path.read_text())["signature"], "seconds": 0.1}))
    run(data, tmp_path / "cv", family)
    assert "fold 1: run.json is of an asrkit that kept no checksums: made anew" in caplog.text


def test_draws_of_a_learning_curve_and_candidates_of_tune_are_checked_too(data, tmp_path, caplog):
    def curve():
        return learning_curve(
            data, data, tmp_path / "curve", settings_of("gmm"), counts="1,2", draws=1
        ).points

    def race(family, flag):
        plan, tries = FoldPlan(folds=2), [[flag, "1", "2"]]
        own = {"tries": tries, "fixed": ["delta-order", "num-gauss", "num-states"], "minutes": 0}
        rows = tune(data, tmp_path / family, settings_of(family), plan, **own).rows
        return sorted((row["name"], row["errors"]) for row in rows)

    for work, pattern, name in (
        (curve, "curve/count_2/draw_1/decode_test/hyp", "2 a word, draw 1"),
        (lambda: race("gmm", "num-gauss"), "gmm/fold_1/num-gauss=2*/final.npz", "fold 1: num-gauss 2"),
        (
            lambda: race("dhmm", "num-states"),
            "dhmm/fold_2/num-states=1*/codebook.npz",
            "fold 2: num-states 1",
        ),
    ):
        first, path = work(), next(tmp_path.glob(pattern))
        whole = path.read_bytes()
        path.write_bytes(whole[:-2])
        caplog.clear()
        assert work() == first and path.read_bytes() == whole
        (said,) = [record.getMessage() for record in caplog.records if "made anew" in record.getMessage()]
        assert said.startswith(name[:6]) and name.split(": ")[-1] in said
        assert said.endswith(f"{path.name} is not as it was finished: made anew")


# decode folders that are read by others


READERS = {
    "score": lambda data, folder: score(data, folder),
    "compare": lambda data, folder: compare(data, folder, folder.parent / "whole"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["hyp", "skipped"])
def test_hypotheses_that_are_not_as_decoded_are_refused(data, finished, tmp_path, reader, name):
    folder, work = tmp_path / "decode", READERS[reader]
    shutil.copytree(finished[0] / "fold_1" / "decode_test", folder)
    shutil.copytree(folder, tmp_path / "whole")
    work(data, folder)
    whole = (folder / name).read_bytes()
    for content in [*(whole[:cut] for cut in range(0, len(whole) - 1, 7)), whole + b"zz no\n"]:
        (folder / name).write_bytes(content)
        with pytest.raises(DataError, match=f"decode/{name}:"):
            work(data, folder)
    (folder / "decode.json").unlink()  # a decoder that leaves none is believed
    (folder / "hyp").write_bytes((tmp_path / "whole" / "hyp").read_bytes().replace(b" yes\n", b" no\n"))
    (folder / "skipped").write_bytes(b"")
    work(data, folder)


def test_line_ends_are_no_damage(data, finished, tmp_path):
    shutil.copytree(finished[0] / "fold_1" / "decode_test", tmp_path / "decode")
    hyp = tmp_path / "decode" / "hyp"
    hyp.write_bytes(hyp.read_bytes().replace(b"\n", b"\r\n"))
    score(data, tmp_path / "decode")


def test_scores_that_were_cut_off_are_not_combined(data, finished, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(finished[0] / "fold_1" / "decode_test", tmp_path / name)
    combine(tmp_path / "out", [tmp_path / "a", tmp_path / "b"])
    scores = tmp_path / "b" / "scores.scp"
    scores.write_bytes(b"".join(scores.read_bytes().splitlines(keepends=True)[:-2]))
    with pytest.raises(
        DataError, match="b/scores.scp: 4 utterances, where decode.json beside it says 6: cut off"
    ):
        combine(tmp_path / "out", [tmp_path / "a", tmp_path / "b"])


def test_a_decode_json_that_is_none_is_refused(data, finished, tmp_path):
    shutil.copytree(finished[0] / "fold_1" / "decode_test", tmp_path / "decode")
    for content in (b"", b"{", b"[" * 100_000, b'{"decoded": ' + b"9" * 5000 + b"}"):
        (tmp_path / "decode" / "decode.json").write_bytes(content)
        with pytest.raises(DataError, match="decode.json: no JSON"):
            score(data, tmp_path / "decode")
