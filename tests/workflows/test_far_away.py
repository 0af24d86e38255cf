"""Data and results at URLs: a whole recipe in a store gives the bytes of the same on this machine."""

import re
import shutil
from collections import Counter

import pytest
from command import MFCC, asrkit
from scored import TRAIN as MIXGOP
from scored import write_set
from stores import far_root, put_tree, read_tree, s3_root, s3_server, unsteady  # noqa: F401
from synthetic import write_words

from asrkit.engines.cluster import local_workers
from asrkit.errors import StoreError
from asrkit.features.kind import load
from asrkit.io.archive import read_scp
from asrkit.io.files import read_table
from asrkit.io.places import as_path
from asrkit.workflows.compute_features import compute_features

SMALL = ["--family=chmm", "--num-states=2", "--max-iters=2", "--growth-iters=1"]


def recipe(root, brief=False):
    """Recordings to errors, and the steps of a cluster, in the folder or store `root`; `brief`: no more than that."""
    data, exp = f"{root}/data", f"{root}/exp"
    asrkit("prepare-wavs", f"{root}/wavs", f"{data}/all", "--pattern={speaker}/{word}-{index}")
    asrkit("compute-mfcc", f"{data}/all", *MFCC)
    if not brief:
        asrkit("compute-cmvn", f"{data}/all")
        asrkit("validate-data", f"{data}/all")
        asrkit("validate-data", f"{data}/all", "--read-wavs=false")
    for name, speaker in (("train", "anna"), ("test", "bert")):
        asrkit("subset-data", f"{data}/all", f"{data}/{name}", f"--utt-regex=^{speaker}")
    if not brief:
        asrkit("combine-data", f"{data}/both", f"{data}/train", f"{data}/test")
        asrkit("fix-data", f"{data}/both")
        asrkit("perturb", f"{data}/train", f"{data}/noisy", "--noise=white", "--snr=10")
        asrkit("perturb", f"{data}/train", f"{data}/noisy", "--noise=white", "--snr=5")
    asrkit("train", f"{data}/train", f"{exp}/mono", *SMALL)
    asrkit("decode", f"{exp}/mono", f"{data}/test", f"{exp}/mono/decode")
    asrkit("score", f"{data}/test", f"{exp}/mono/decode")
    asrkit("init-model", f"{data}/train", f"{exp}/steps", *SMALL)
    accs = [f"{exp}/steps/{part}.acc" for part in (1, 2)]
    for part, acc in enumerate(accs, 1):
        asrkit("acc-stats", f"{exp}/steps/0.npz", f"{data}/train", acc, f"--part={part}", "--parts=2")
    asrkit("sum-accs", f"{exp}/steps/sum.acc", *accs)
    asrkit("est-model", f"{exp}/steps/0.npz", f"{exp}/steps/sum.acc", f"{exp}/steps/1.npz")
    if not brief:
        asrkit("split-data", f"{data}/train", "2", "--per-utt=true")
        asrkit("info", f"{exp}/mono")
        asrkit("info", accs[0])
        asrkit(
            "crossval", f"{data}/train", f"{exp}/cv", "--by=random", "--folds=2", *SMALL, "--calibrate=false"
        )


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("here")
    write_words(folder / "wavs", "{speaker}/{word}-{take}.wav", words=("one", "two"), takes=range(3))
    recipe(folder)
    return folder


def test_recipe_gives_the_bytes_of_this_machine(here, far_root):
    put_tree(here / "wavs", f"{far_root}/wavs")
    brief = far_root.startswith("s3:")  # whose server takes 20 ms for each question
    recipe(far_root, brief)
    found, expected = read_tree(as_path(far_root)), read_tree(here)
    assert {"exp/mono/decode/hyp", "exp/mono/decode/report.json", "exp/steps/1.npz"} <= found.keys()
    assert found.keys() <= expected.keys() and (brief or found.keys() == expected.keys())
    for name, content in found.items():
        if name.endswith("run.json"):  # of a fold: checksums of files that say how long it took
            continue
        assert timeless(content, far_root) == timeless(expected[name], here), name


def other_commands(root):
    """Commands that the recipe has not, in the folder or store `root`."""
    data, phones = f"{root}/data/all", (f"{root}/phones/data", f"{root}/phones/ali")
    asrkit("train", data, f"{root}/steps", *SMALL, "--method=stepwise", "--passes=1")
    asrkit("adapt", f"{root}/exp/mono", data, f"{root}/adapted", "--method=map")
    asrkit("learning-curve", data, data, f"{root}/curve", "--counts=2,all", "--draws=1", *SMALL)
    asrkit("mixgop", "train", *phones, f"{root}/mixgop", *MIXGOP)
    asrkit("mixgop", "score", f"{root}/mixgop", *phones, f"{root}/scores", "--textgrid=true")


def test_other_commands_give_the_bytes_of_this_machine(here, tmp_path):
    for name in ("data", "exp"):
        shutil.copytree(here / name, tmp_path / name)
    write_set(tmp_path / "phones", 0, takes=12)
    root = "memory://others"
    put_tree(tmp_path, root)
    for name in ("phones/data/feats.scp", "data/all/feats.scp", "data/all/wav.scp"):
        own = (tmp_path / name).read_text()
        as_path(f"{root}/{name}").write_bytes(own.replace(str(tmp_path), root).encode())
    for where in (tmp_path, root):
        other_commands(where)
    found, expected = read_tree(as_path(root)), read_tree(tmp_path)
    assert {"steps/final.npz", "adapted/final.npz", "scores/phones.tsv"} <= found.keys() == expected.keys()
    for name, content in found.items():
        if not name.endswith("run.json"):  # checksums of files that say how long it took
            assert timeless(content, root) == timeless(expected[name], tmp_path), name


def test_dasks_workers_read_a_bucket(here, s3_root, tmp_path):
    pytest.importorskip("distributed", reason="needs distributed (pip install -e '.[test]')")
    put_tree(here / "data/train", f"{s3_root}/train")
    with local_workers(1) as workers:  # which have the environment of this moment
        more = ["--backend=dask", f"--scheduler={workers.scheduler_address}"]
        asrkit("train", f"{s3_root}/train", f"{s3_root}/exp", *SMALL, *more)
        asrkit("decode", f"{s3_root}/exp", f"{s3_root}/train", f"{s3_root}/heard", *more)
    asrkit("decode", here / "exp/mono", here / "data/train", tmp_path)
    found, exp = as_path(f"{s3_root}"), here / "exp/mono"
    assert (found / "exp/final.npz").read_bytes() == (exp / "final.npz").read_bytes()
    assert (found / "heard/hyp").read_bytes() == (tmp_path / "hyp").read_bytes()


@pytest.mark.parametrize("far", ["recordings", "all"])
def test_a_store_that_goes_away_costs_nothing_that_was_done(here, tmp_path, unsteady, capsys, far):
    put_tree(here / "wavs", "unsteady://b/wavs")
    data = "unsteady://b/data" if far == "all" else tmp_path / "data"
    asrkit("prepare-wavs", "unsteady://b/wavs", data, "--pattern={speaker}/{word}-{index}")
    capsys.readouterr()
    unsteady.asked.clear()
    unsteady.fail(ConnectionError("no route"), times=3, after=13, only="/one-")
    kind = load("mfcc")(sample_rate_hz=8000, use_energy=False)
    with pytest.raises(StoreError, match=r"^unsteady://b/wavs/\S+.wav: cannot be [^:]+: no route"):
        compute_features(data, kind, chunk=2)
    unsteady.asked.clear()
    computed = compute_features(data, kind, chunk=2)
    read = Counter(
        path.split("/wavs/")[1] for what, path, *_ in unsteady.asked if what == "cat" and "/wavs/" in path
    )
    # once by what looks whether recordings are trimmed; and of bert, at whose first recording it had gone away
    assert read == {name: 1 if name.startswith("anna") else 2 for name in read} and len(read) == 12
    assert computed.frames.keys() == read_table(here / "data/all/feats.scp").keys()
    expected, found = (
        dict(read_scp(read_table(folder / "feats.scp"))) for folder in (here / "data/all", as_path(data))
    )
    assert all((found[utt] == feats).all() for utt, feats in expected.items())


def test_a_store_that_goes_away_is_one_line(here, unsteady, capsys):
    put_tree(here / "data/train", "unsteady://b/train")
    for error, told in (
        (ConnectionError("no route"), "no route (once the store answers, the same command goes on)"),
        (PermissionError("Access Denied"), "no permission: Access Denied"),
    ):
        unsteady.fail(error, after=15)
        asrkit("train", "unsteady://b/train", "unsteady://b/exp", *SMALL, status=1)
        lines = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
        assert (
            len(lines) == 1 and told in lines[0] and lines[0].startswith("asrkit train: error: unsteady://b/")
        )
    unsteady.fail(None, 0)
    asrkit("train", "unsteady://b/train", "unsteady://b/exp", *SMALL)
    assert as_path("unsteady://b/exp/final.npz").read_bytes() == (here / "exp/mono/final.npz").read_bytes()


def test_a_recording_that_is_not_there_is_counted(here, tmp_path, unsteady, capsys):
    put_tree(here / "wavs", "unsteady://b/wavs")
    asrkit("prepare-wavs", "unsteady://b/wavs", tmp_path / "data", "--pattern={speaker}/{word}-{index}")
    as_path("unsteady://b/wavs/anna/one-0.wav").unlink()
    asrkit("compute-mfcc", tmp_path / "data", *MFCC, "--max-skipped=1")
    assert "computed 11, skipped 1" in capsys.readouterr().out


def timeless(content, root):
    """What of a file depends neither on where it lies nor on how long it took."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return content
    return re.sub(r'"(seconds|[a-z_]*_s)": [0-9.e-]+', "", text.replace(str(root), "ROOT"))
