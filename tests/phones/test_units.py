"""MixGoP and its baselines at any scale: the map that brings tokens to an ordinary one, and constants that have no say."""

import functools

import numpy as np
import pytest

from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.transform import TransformConfig
from asrkit.io.mixgop_file import read_mixgop, write_mixgop
from asrkit.phones.baselines import MODELS, fit_baselines, score_baselines
from asrkit.phones.lda import Lda
from asrkit.phones.mixgop import MixgopConfig, train_phone
from asrkit.phones.phone_set import PhoneSet

PHONES, FRAMES = ("AA", "B", "SH"), 40
CENTRES = np.random.default_rng(9).normal(scale=1.5, size=(3, 4))


def frames(seed):
    """Dict of phone to (40, 4), in steps of 1/64: factors and offsets cost no digits."""
    rng = np.random.default_rng(seed)
    return {
        phone: np.round(64 * (centre + rng.normal(size=(FRAMES, 4)) * [1, 2, 0.5, 1])) / 64
        for phone, centre in zip(PHONES, CENTRES, strict=True)
    }


def learned(change, **settings):
    """(PhoneSet, its scores, its baselines' scores) of changed frames, as `mixgop train` and `score` go about it."""
    config = MixgopConfig(**{"num_gauss": 3, "max_iters": 8, **settings})
    tokens = [np.float64(np.float32(change(own))) for own in frames(0).values()]
    lda = Lda.fit(tokens, [FRAMES] * 3, config.lda_dim) if config.lda_dim else Lda.units(tokens)
    mapped = tokens if lda is None else [lda.apply(own) for own in tokens]
    models = {
        phone: train_phone(phone, own, FRAMES, config)[0] for phone, own in zip(PHONES, mapped, strict=True)
    }
    baselines, _ = fit_baselines(tuple(MODELS), mapped, [FRAMES] * 3)
    frontend = FrontEnd(tokens[0].shape[1], GivenFeatures(), TransformConfig(delta_order=0))
    phone_set = PhoneSet(
        models, dict.fromkeys(PHONES, FRAMES), config, None, frontend, 0.01, "", baselines, lda
    )
    scores, others = [], []
    for phone, own in frames(1).items():
        feats, start = np.float32(change(own)), np.arange(FRAMES) / 100
        cut = phone_set.cut(feats, [phone] * FRAMES, start, start + 0.01)
        scores.append(phone_set.bank().score(cut).table())
        others.append(score_baselines(phone_set.baselines, cut))
    return phone_set, np.concatenate(scores), np.concatenate(others)


def as_it_is(feats):
    return feats


def enlarged(feats):
    return feats * 2.0**30


@functools.cache
def expected_of(change, name):
    return learned(change, **SETTINGS[name])[1:]


def alike(name, change, than=as_it_is, near=1e-6, baselines=(0, 1, 2, 3, 5)):
    """The scores that have no unit are the same, and log-likelihoods but for one addend; so are the baselines' posteriors."""
    (_, scores, others), (expected, expected_others) = (
        learned(change, **SETTINGS[name]),
        expected_of(than, name),
    )
    shift = np.median(scores[:, 0] - expected[:, 0])
    np.testing.assert_allclose(scores[:, 0] - shift, expected[:, 0], rtol=near, atol=near * 10)
    np.testing.assert_allclose(scores[:, 1:-1], expected[:, 1:-1], rtol=near, atol=near * 10)
    assert np.abs(scores[:, -1] - expected[:, -1]).max() <= (0 if near < 1e-3 else 300 / FRAMES)
    baselines = list(baselines)  # by default all but the neighbours' distance, which has a unit
    np.testing.assert_allclose(others[:, baselines], expected_others[:, baselines], rtol=1e-2, atol=1e-3)


SETTINGS = {
    "full": {},
    "diag": {"covariance": "diag"},
    "low rank": {"num_gauss": 32},  # fewer tokens than Gaussians x dimensions
    "lda": {"lda_dim": 2},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("power", [-100, -20, 40])
def test_features_times_a_factor(name, power):
    def change(feats):
        return feats * 2.0**power

    alike(name, change, enlarged)
    # Of low rank the addend to the variances, which is in the units of ordinary features, is most of them.
    if name != "low rank":
        alike(name, change, near=0.05)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("value", [0, -15.94, 1e6, 1e30])
def test_a_constant_column(name, value):
    alike(name, lambda feats: np.insert(feats, 1, value, axis=1))


@pytest.mark.parametrize("name", SETTINGS)
def test_each_dimension_may_have_a_place_of_its_own(name):
    # scikit-learn's machines have a kernel whose width hangs on the places
    alike(name, lambda feats: feats + [1e5, 0, -1e5, 0], baselines=range(4))


@pytest.mark.parametrize("factors", [(2.0**-40, 1), (1, 2.0**40), (2.0**20, 2.0**-20)])
@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_dimension_far_from_the_scale_of_the_others_is_not_drowned(covariance, factors):
    def change(feats):  # the last two dimensions are noise: the first alone tells the phones apart
        noise = np.random.default_rng(int(64 * abs(feats).sum())).normal(size=(len(feats), 2))
        phone = np.abs(CENTRES - feats.mean(axis=0)).sum(axis=1).argmin()
        return np.hstack([(feats[:, :1] + 8 * phone) * factors[0], noise * factors[1]])

    assert (learned(change, covariance=covariance)[1][:, 2] > 0).all()


def test_what_is_ordinary_stays_as_it_is():
    for factor in (1 / 128, 1, 128):
        assert Lda.units([own * factor for own in frames(0).values()]) is None
    assert Lda.units([np.insert(own, 0, -15.94, axis=1) for own in frames(0).values()]) is None
    assert Lda.units([np.zeros((5, 3)), np.zeros((5, 3))]) is None


def test_the_map_travels_in_the_model(tmp_path):
    phone_set = learned(lambda feats: feats * 2.0**-40)[0]
    write_mixgop(tmp_path / "final.npz", phone_set)
    read = read_mixgop(tmp_path / "final.npz")
    assert (read.lda.axes == phone_set.lda.axes).all() and (read.lda.center == phone_set.lda.center).all()
