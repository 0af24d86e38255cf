"""mixgop train --covariance, --init and --n-init: the files say it, and scoring goes by it."""

import json

import numpy as np
import pytest
from command import asrkit
from test_mixgop_commands import TRAIN, write_set

from asrkit.io.mixgop_file import read_mixgop, write_mixgop
from asrkit.phones.mixgop import MixgopConfig
from asrkit.workflows.mixgop_score import mixgop_score
from asrkit.workflows.mixgop_train import mixgop_train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set"), 0)


@pytest.mark.parametrize(
    "covariance, init", [("tied", "random"), ("spherical", "k-means++"), ("full", "random_from_data")]
)
def test_the_model_says_how_it_was_made(folder, tmp_path, covariance, init, capsys):
    chosen = [f"--covariance={covariance}", f"--init={init}", "--n-init=3"]
    words = ["mixgop", "train", folder / "data", folder / "ali"]
    for name, jobs in (("a", 1), ("b", 2)):
        asrkit(*words, tmp_path / name, *TRAIN, *chosen, f"--nj={jobs}")
    assert (tmp_path / "a" / "final.npz").read_bytes() == (tmp_path / "b" / "final.npz").read_bytes()
    phone_set = read_mixgop(tmp_path / "a")
    assert (phone_set.config.covariance, phone_set.config.init, phone_set.config.n_init) == (
        covariance,
        init,
        3,
    )
    capsys.readouterr()
    asrkit("info", tmp_path / "a" / "final.npz")
    said = capsys.readouterr().out
    assert f"covariance={covariance}" in said and f"init={init} n_init=3" in said
    write_mixgop(tmp_path / "again.npz", phone_set)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "a" / "final.npz").read_bytes()
    asrkit("mixgop", "score", tmp_path / "a", folder / "data", folder / "ali", tmp_path / "scores")
    rows = (tmp_path / "scores" / "phones.tsv").read_text().splitlines()
    head = rows[0].split("\t")
    assert len(rows) > 100 and all(
        np.isfinite(float(row.split("\t")[head.index("loglik")])) for row in rows[1:]
    )


def test_python_makes_the_same(folder, tmp_path):
    config = MixgopConfig(
        num_gauss=3, min_tokens=20, max_tokens=60, pooling="mean", covariance="tied", init="random", n_init=2
    )
    from asrkit.features.transform import TransformConfig

    transform = TransformConfig(delta_order=0)
    trained = mixgop_train(folder / "data", folder / "ali", tmp_path / "own", config, transform=transform)
    (tmp_path / "conf").write_text("--covariance=tied\n--init=random\n--n-init=2\n")
    asrkit(
        *["mixgop", "train", folder / "data", folder / "ali", tmp_path / "typed"],
        *TRAIN,
        f"--config={tmp_path / 'conf'}",
    )
    assert (tmp_path / "own" / "final.npz").read_bytes() == (tmp_path / "typed" / "final.npz").read_bytes()
    scored = mixgop_score(tmp_path / "own", folder / "data", folder / "ali", tmp_path / "scores")
    assert scored and trained.phone_set.config == config


def test_a_model_of_before_is_read(folder, tmp_path):
    asrkit("mixgop", "train", folder / "data", folder / "ali", tmp_path / "exp", *TRAIN)
    path = tmp_path / "exp" / "final.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(str(arrays["meta"]))
    assert meta["config"].pop("init") == "kmeans" and meta["config"].pop("n_init") == 1
    np.savez(tmp_path / "old.npz", **{**arrays, "meta": np.array(json.dumps(meta))})
    assert read_mixgop(tmp_path / "old.npz").config == read_mixgop(path).config
