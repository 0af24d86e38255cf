"""Linear discriminant analysis of phones' tokens, against its definition by scipy, and in mixgop train and
score.
"""

import kaldiio
import numpy as np
import pytest
import scipy.linalg
from command import asrkit
from test_mixgop_commands import TRAIN, table, write_set

from asrkit.io.mixgop_file import read_mixgop
from asrkit.phones.lda import Lda
from asrkit.phones.mixgop import PhoneBank
from asrkit.phones.tokens import cut_tokens


def phones(num=60, dim=6, count=4, seed=0):
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((dim, dim))
    return [
        100 + rng.standard_normal((num + 5 * p, dim)) @ mix + 3 * rng.standard_normal(dim)
        for p in range(count)
    ]


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_axes_solve_fishers_problem(dim):
    """The generalised eigenvectors of the scatter of the phones' means, weighted by their counts, against
    that within phones.
    """
    tokens, shares = phones(), np.array([0.1, 0.2, 0.3, 0.4])
    lda = Lda.fit(tokens, 1000 * shares, dim)
    means = np.stack([own.mean(axis=0) for own in tokens])
    apart = means - shares @ means
    within = sum((own - mean).T @ (own - mean) for own, mean in zip(tokens, means)) / sum(map(len, tokens))
    _, vectors = scipy.linalg.eigh((apart.T * shares) @ apart, within)
    wanted = vectors[:, ::-1][:, :dim]
    np.testing.assert_allclose(lda.axes * np.sign(lda.axes[0]), wanted * np.sign(wanted[0]), rtol=1e-6)


def test_phones_are_round_afterwards():
    """The covariance within phones is the identity, that of the phones' means has no correlations and falls
    from axis to axis.
    """
    tokens = phones(num=100)
    mapped = [Lda.fit(tokens, [len(own) for own in tokens], 3).apply(own) for own in tokens]
    within = sum((own - own.mean(axis=0)).T @ (own - own.mean(axis=0)) for own in mapped) / sum(
        map(len, mapped)
    )
    np.testing.assert_allclose(within, np.eye(3), atol=1e-9)
    between = np.cov(np.stack([own.mean(axis=0) for own in mapped]).T, fweights=[len(own) for own in mapped])
    assert (
        np.abs(between - np.diag(np.diag(between))).max() < 1e-9 * between.max()
        and (np.diff(np.diag(between)) < 0).all()
    )


def test_no_more_directions_than_phones_less_one_or_dimensions():
    assert Lda.fit(phones(), [1] * 4, 50).axes.shape == (6, 3)
    assert Lda.fit(phones(dim=2), [1] * 4, 50).axes.shape == (2, 2)


@pytest.mark.parametrize("tokens", [phones(count=1), phones(num=1, count=1) * 3, [np.ones((5, 3))] * 3])
def test_phones_that_cannot_be_told_apart(tokens):
    tokens = [own[:1] for own in tokens] if len(tokens[0]) == 1 else tokens
    with pytest.raises(ValueError, match="to tell phones apart"):
        Lda.fit(tokens, [1] * len(tokens), 2)


def test_dimensions_that_are_kept_are_no_part_of_it():
    tokens = phones()
    place = [np.linspace(-1, 1, len(own))[:, None] + 50 * p for p, own in enumerate(tokens)]
    plain, kept = (
        Lda.fit(tokens, [1] * 4, 2),
        Lda.fit([np.hstack(pair) for pair in zip(tokens, place)], [1] * 4, 2, kept=1),
    )
    both = kept.apply(np.hstack([tokens[1], place[1]]))
    np.testing.assert_allclose(both[:, :2], plain.apply(tokens[1]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(both[:, 2:], place[1], atol=1e-12)


@pytest.mark.parametrize("pooling", ["mean", "placed"])
def test_what_is_trained_with_it_is_scored_with_it(tmp_path, pooling, capsys):
    for part, seed in (("train", 0), ("test", 1)):
        (tmp_path / part).mkdir()
        write_set(tmp_path / part, seed, takes=12)
    train, test, options = (
        tmp_path / "train",
        tmp_path / "test",
        [*TRAIN, f"--pooling={pooling}", "--lda-dim=2", "--baselines=logistic,knn"],
    )
    for name, jobs in (("a", 1), ("b", 2)):
        asrkit("mixgop", "train", train / "data", train / "ali", tmp_path / name, *options, f"--nj={jobs}")
    assert (tmp_path / "a" / "final.npz").read_bytes() == (tmp_path / "b" / "final.npz").read_bytes()
    asrkit("mixgop", "score", tmp_path / "a", test / "data", test / "ali", tmp_path / "score")
    phone_set = read_mixgop(tmp_path / "a")
    width = 2 + (pooling == "placed")
    assert (
        phone_set.lda.axes.shape == (5 + (pooling == "placed"), width)
        and phone_set.models["AA"].mixture.means.shape[-1] == width
    )
    assert phone_set.baselines["knn"].tokens.shape[1] == width
    utt, feats = next(iter(kaldiio.load_scp(str(test / "data" / "feats.scp")).items()))
    rows = [row for row in table(tmp_path / "score" / "phones.tsv") if row["utt"] == utt]
    labels = [list(phone_set.models).index(row["phone"]) for row in rows]
    tokens = cut_tokens(
        feats,
        labels,
        [float(row["start"]) for row in rows],
        [float(row["end"]) for row in rows],
        0.01,
        pooling,
    )
    found = PhoneBank(phone_set.models).score(phone_set.lda.of(tokens)).posterior
    np.testing.assert_allclose([float(row["posterior"]) for row in rows], found, rtol=1e-8, atol=1e-12)


def test_a_damaged_map_is_refused():
    lda = Lda.fit(phones(), [1] * 4, 2)
    for broken in (
        Lda(lda.center[:-1], lda.axes),
        Lda(lda.center, lda.axes[:-1]),
        Lda(lda.center, lda.axes * np.nan),
    ):
        with pytest.raises(ValueError, match="center|axes"):
            broken.check(6)
    lda.check(6)
