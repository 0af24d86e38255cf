"""The baselines of MixGoP: scores from arrays equal scikit-learn's, formulas by hand, and their way through
the commands.
"""

import numpy as np
import pytest
from command import asrkit
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM
from test_mixgop_commands import PHONES, TRAIN, table, write_set

from asrkit.io.alignment import read_alignment
from asrkit.io.mixgop_file import read_mixgop, write_mixgop
from asrkit.phones.baselines import (
    MODELS,
    Logistic,
    Neighbours,
    OneClass,
    fit_baselines,
    kinds_of,
    score_baselines,
)
from asrkit.phones.tokens import NO_MODEL, SCORABLE, Tokens

KINDS = ("gmm_gop", "nn_gop", "dnn_gop", "maxlogit", "knn", "svm")
SIZES = (45, 30, 9)


def clouds(sizes=SIZES, dim=6, seed=0):
    """Tokens (n, D) of each phone, of different scales in different dimensions and far from zero; they
    overlap.
    """
    rng = np.random.default_rng(seed)
    scale = np.geomspace(0.1, 20, dim)
    return [(rng.standard_normal((n, dim)) + 0.7 * phone) * scale + 5 for phone, n in enumerate(sizes)]


def standard(tokens):
    obs = np.concatenate(tokens)
    return obs.mean(axis=0), obs.std(axis=0)


def some(num=50, seed=1):
    """Tokens (N, D) to score, and the phones that they should be."""
    obs = np.concatenate(clouds((num, num, num), seed=seed))
    return obs, np.random.default_rng(seed).integers(len(SIZES), size=len(obs))


# from arrays as from scikit-learn


@pytest.mark.parametrize("phones", [2, 3])
def test_posterior_is_scikit_learns(phones):
    tokens = clouds(SIZES[:phones])
    center, scale = standard(tokens)
    model, converged = Logistic.fit(tokens, SIZES[:phones])
    peer = LogisticRegression(max_iter=1000).fit(
        (np.concatenate(tokens) - center) / scale, np.repeat(range(phones), SIZES[:phones])
    )
    obs, _ = some()
    assert converged
    np.testing.assert_allclose(
        model.log_posterior(obs), peer.predict_log_proba((obs - center) / scale), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("size", [1, 9, 10, 39, 40])
def test_neighbour_is_scikit_learns(size):
    tokens = clouds((size, 60))
    obs, _ = some()
    count = max(int(0.1 * size), 1)
    distances, _ = NearestNeighbors(n_neighbors=count).fit(tokens[0]).kneighbors(obs)
    scores = Neighbours.fit(tokens).score(obs, np.zeros(len(obs), dtype=np.int64))
    np.testing.assert_allclose(scores[:, 0], -distances[:, -1], rtol=1e-9)


def test_one_class_decision_is_scikit_learns():
    tokens = clouds()
    obs, labels = some()
    scores = OneClass.fit(tokens).score(obs, labels)[:, 0]
    for phone, own in enumerate(tokens):
        peer = OneClassSVM().fit(own)
        wanted = peer.decision_function(obs[labels == phone])
        np.testing.assert_allclose(
            scores[labels == phone], wanted, rtol=1e-9, atol=1e-9 * abs(peer.intercept_[0])
        )


@pytest.mark.parametrize("name", MODELS)
def test_blocks_do_not_change_scores(name, monkeypatch):
    fitted, _ = fit_baselines([name], clouds(), SIZES)
    obs, labels = some()
    whole = fitted[name].score(obs, labels)
    monkeypatch.setattr("asrkit.phones.baselines.BLOCK", 7)
    np.testing.assert_allclose(fitted[name].score(obs, labels), whole, rtol=1e-12, atol=1e-13)


# formulas


def test_kinds_by_hand():
    """Logits 1, 0 and -1 of one token, priors 1/2, 1/4, 1/4."""
    model = Logistic(
        np.array([1.0]),
        np.array([2.0]),
        np.array([[1.0], [0.0], [-1.0]]),
        np.zeros(3),
        np.log([0.5, 0.25, 0.25]),
    )
    post = np.exp([1.0, 0.0, -1.0]) / np.exp([1.0, 0.0, -1.0]).sum()
    scores = model.score(np.full((3, 1), 3.0), np.arange(3))
    assert KINDS[:4] == model.KINDS
    wanted = np.stack(
        [np.log(post), np.log(post / post[0]), post / [0.5, 0.25, 0.25], np.log(post / [0.5, 0.25, 0.25])],
        axis=1,
    )
    np.testing.assert_allclose(scores, wanted, rtol=1e-12, atol=1e-15)


def test_what_was_not_drawn_counts_in_the_prior():
    """Posterior odds move by the odds of being drawn; where all was drawn in proportion, nothing moves."""
    tokens, (obs, _) = clouds(), some()
    whole, _ = Logistic.fit(tokens, SIZES)
    thrice, _ = Logistic.fit(tokens, np.multiply(SIZES, 3))
    capped, _ = Logistic.fit(tokens, np.multiply(SIZES, [4, 1, 1]))
    np.testing.assert_allclose(thrice.log_posterior(obs), whole.log_posterior(obs), rtol=1e-9, atol=1e-12)
    odds = [model.log_posterior(obs)[:, 0] - model.log_posterior(obs)[:, 1] for model in (whole, capped)]
    np.testing.assert_allclose(odds[1] - odds[0], np.log(4), rtol=1e-9)
    np.testing.assert_allclose(np.exp(capped.log_priors), np.array([180, 30, 9]) / 219, rtol=1e-12)


def test_a_token_far_out_scores_less():
    fitted, _ = fit_baselines(("knn", "svm"), clouds(), SIZES)
    tokens = clouds()[0]
    obs = tokens.mean(axis=0) + np.array([0.0, 2.0, 5.0])[:, None] * tokens.std(axis=0)
    for model in fitted.values():
        assert (np.diff(model.score(obs, np.zeros(3, dtype=np.int64))[:, 0]) < 0).all()


def test_tokens_of_several_frames_and_of_none():
    fitted, _ = fit_baselines(MODELS, clouds(), SIZES)
    obs, labels = some(2)
    tokens = Tokens(
        np.array([2, -1, 0]),
        np.array([SCORABLE, NO_MODEL, SCORABLE]),
        np.array([4, 0, 2]),
        np.array([4, 0, 2]),
        obs,
    )
    scores = score_baselines(fitted, tokens)
    alone = np.concatenate([model.score(obs, np.repeat([2, 0], [4, 2])) for model in fitted.values()], axis=1)
    assert kinds_of(fitted) == KINDS and np.isnan(scores[1]).all()
    np.testing.assert_allclose(scores[[0, 2]], [alone[:4].mean(axis=0), alone[4:].mean(axis=0)], rtol=1e-12)
    assert score_baselines({}, tokens).shape == (3, 0)


def test_one_phone_and_features_that_do_not_vary():
    tokens = [np.concatenate([clouds((12,))[0], np.full((12, 1), 0.1)], axis=1)]
    fitted, converged = fit_baselines(MODELS, tokens, [12])
    scores = np.concatenate(
        [model.score(tokens[0], np.zeros(12, dtype=np.int64)) for model in fitted.values()], axis=1
    )
    assert converged and np.isfinite(scores).all() and (scores[:, :2] == 0).all()
    assert fitted["logistic"].scale[-1] == 1 and (fitted["logistic"].scale[:-1] != 1).all()


def test_a_regression_that_has_not_converged_is_told():
    assert not fit_baselines(("logistic",), clouds(), SIZES, max_iters=1)[1]


# commands


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = write_set(tmp_path_factory.mktemp("gop"), 0, rare=3)
    asrkit(
        "mixgop",
        "train",
        folder / "data",
        folder / "ali",
        folder / "exp",
        *TRAIN,
        "--baselines=all",
        "--max-tokens=30",
    )
    asrkit("mixgop", "score", folder / "exp", folder / "data", folder / "ali", folder / "score")
    return folder


def test_baselines_come_through_the_commands(trained, tmp_path, capsys):
    rows = table(trained / "score" / "phones.tsv")
    assert list(rows[0])[-7:] == ["n_frames", *KINDS]
    columns = {kind: np.array([float(row[kind]) for row in rows]) for kind in ("loglik", *KINDS)}
    for kind in KINDS:
        np.testing.assert_array_equal(np.isnan(columns[kind]), np.isnan(columns["loglik"]))
    scored = ~np.isnan(columns["loglik"])
    assert scored.sum() == 120 and len(rows) == 126
    np.testing.assert_allclose(
        np.log(columns["dnn_gop"][scored]), columns["maxlogit"][scored], rtol=1e-8, atol=1e-8
    )
    assert (columns["nn_gop"][scored] <= 0).all() and (
        columns["gmm_gop"][scored] <= columns["nn_gop"][scored]
    ).all()
    assert np.exp(read_mixgop(trained / "exp").baselines["logistic"].log_priors) == pytest.approx(
        [0.4, 0.4, 0.2]
    )
    utts = table(trained / "score" / "utterances.tsv")
    mine = [row["utt"] == utts[-1]["utt"] for row in rows]
    for kind in KINDS:
        assert float(utts[-1][f"{kind}_mean"]) == pytest.approx(np.nanmean(columns[kind][mine]), rel=1e-8)
        assert all(
            f"{kind}_p10" in table(trained / "score" / f"{name}.tsv")[0] for name in ("words", "speakers")
        )
    asrkit("info", trained / "exp")
    assert "baselines: logistic, knn, svm" in capsys.readouterr().out
    ratings = [f"{utt}\t{' '.join(p.label for p in phones)}\t{' '.join('210'[i % 3] for i in range(len(phones)))}\n"
               for utt, phones in read_alignment(trained / "ali").items()]  # fmt: skip
    (tmp_path / "ratings").write_text("".join(ratings))
    asrkit(
        "mixgop",
        "evaluate",
        trained / "score",
        tmp_path / "ratings",
        "--higher-is=better",
        f"--kinds={','.join(KINDS)}",
    )
    said = capsys.readouterr().out
    assert all(f" {kind} " in said for kind in KINDS)


def test_models_without_baselines_and_of_some(trained, tmp_path, capsys):
    """Equal bytes whatever the jobs; the mixtures' columns are those of a model without baselines."""
    train = ["mixgop", "train", trained / "data", trained / "ali"]
    options = [*TRAIN, "--max-tokens=30"]
    asrkit(*train, tmp_path / "again", *options, "--baselines=svm,knn,logistic")
    assert (tmp_path / "again" / "final.npz").read_bytes() == (trained / "exp" / "final.npz").read_bytes()
    asrkit(*train, tmp_path / "some", *options, "--baselines=svm,knn")
    assert list(read_mixgop(tmp_path / "some").baselines) == ["knn", "svm"]
    asrkit(*train, tmp_path / "none", *options)
    asrkit("mixgop", "score", tmp_path / "none", trained / "data", trained / "ali", tmp_path / "score")
    for name in ("phones", "words", "utterances", "speakers"):
        rows, wider = table(tmp_path / "score" / f"{name}.tsv"), table(trained / "score" / f"{name}.tsv")
        assert rows == [{key: row[key] for key in rows[0]} for row in wider] and not any(
            "gop" in key for key in rows[0]
        )
    for wrong, said in (
        ("logistics", "no baseline 'logistics' (did you mean logistic?)"),
        ("all,knn", "no baseline 'all'"),
        (",", "names none"),
    ):
        with pytest.raises(SystemExit, match="2"):
            asrkit(*train, tmp_path / "wrong", *TRAIN, f"--baselines={wrong}")
        assert said in capsys.readouterr().err and not (tmp_path / "wrong").exists()


def test_model_files_old_and_damaged(trained, tmp_path):
    phone_set = read_mixgop(trained / "exp")
    write_mixgop(tmp_path / "same.npz", phone_set)
    assert (tmp_path / "same.npz").read_bytes() == (trained / "exp" / "final.npz").read_bytes()
    with np.load(trained / "exp" / "final.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    old = {name: a for name, a in arrays.items() if not name.startswith("the baseline")}
    old["meta"] = np.array(str(old["meta"]).replace('"baselines": ["logistic", "knn", "svm"], ', ""))
    np.savez(tmp_path / "old.npz", **old)
    assert "baselines" not in str(old["meta"]) and not read_mixgop(tmp_path / "old.npz").baselines
    assert tuple(read_mixgop(tmp_path / "old.npz").models) == PHONES
    arrays["the baseline knn/offsets"] = arrays["the baseline knn/offsets"] + 1
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(Exception, match="baseline 'knn': offsets are not those of its rows"):
        read_mixgop(tmp_path / "bad.npz")
