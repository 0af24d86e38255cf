"""MixGoP's densities in float32: the scores of float64 wherever frames lie and however unlike the Gaussians are."""

import numpy as np
import pytest

from asrkit.models.mixture import DiagMixture
from asrkit.phones.densities import QUICK_BLOCK, WIDE, QuickDensities, densities_of
from asrkit.phones.mixgop import MixgopConfig, PhoneBank, PhoneModel, train_phone
from asrkit.phones.tokens import SCORABLE, Tokens

DIM, PHONES = WIDE + 32, 3
RNG = np.random.default_rng(4)
CENTRES = RNG.normal(size=(PHONES, 4, DIM))


def frames(num, seed):
    """Labels (num,) and frames (num, DIM) of clouds about four centres a phone."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % PHONES
    return labels, CENTRES[labels, rng.integers(4, size=num)] + rng.normal(size=(num, DIM))


def models(change, num=90, num_gauss=8):
    labels, obs = frames(num, 1)
    config = MixgopConfig(num_gauss=num_gauss)
    return {
        str(phone): train_phone(str(phone), change(obs[labels == phone]), 10 * phone + 10, config)[0]
        for phone in range(PHONES)
    }


def one_frame_alone(obs):
    """A cloud that holds one token far from the others: a Gaussian of one token, reg_covar wide."""
    obs = obs.copy()
    obs[:1] += 40
    return obs


def steep(obs):
    """Dimensions of all sizes that a mixture bears."""
    return obs * np.logspace(-2, 2, DIM)


CHANGES = {
    "ordinary": lambda obs: obs,
    "far from zero": lambda obs: obs + 6e4,
    "small": lambda obs: obs / 500,
    "large": lambda obs: obs * 500,
    "tiny": lambda obs: obs * 2.0**-70,
    "huge": lambda obs: obs * 2.0**70,
    "beyond float32's squares": lambda obs: obs * 1e25,
    "steep": steep,
    "one frame alone": one_frame_alone,
    "constant": np.zeros_like,
    "a dimension constant": lambda obs: np.where(np.arange(DIM) == 3, -15.94, obs),
}


def both(trained, obs, labels):
    """Scores in float64 and in float32."""
    ones = np.ones(len(labels), dtype=int)
    tokens = Tokens(labels, SCORABLE * ones, ones, ones, obs)
    banks = PhoneBank(trained, exact=True), PhoneBank(trained)
    assert isinstance(banks[1]._densities, QuickDensities) and not isinstance(
        banks[0]._densities, QuickDensities
    )
    return [bank.score(tokens) for bank in banks]


def assert_near(exact, quick):
    """Log-likelihoods to 5e-6 of themselves, mostly to 1e-6, and what is a difference of some to as much of these."""
    size = np.abs(exact.loglik) + np.abs(exact.ratio) + DIM
    for kind in ("loglik", "ratio", "posterior"):
        off = np.abs(getattr(quick, kind) - getattr(exact, kind))
        assert (off <= 5e-6 * size).all() and np.median(off / size) < 1e-6, (kind, (off / size).max())
    np.testing.assert_array_equal(quick.rival, exact.rival)
    np.testing.assert_array_equal(quick.comp, exact.comp)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CHANGES)
def test_float32_scores_as_float64_does(name, dtype):
    change = CHANGES[name]
    trained = models(lambda obs: change(obs).astype(dtype))
    labels, obs = frames(QUICK_BLOCK + 88, 2)
    seen, known = frames(90, 1)  # the training's own, where narrow Gaussians have their share
    obs = np.concatenate([change(obs), *(change(known[seen == phone]) for phone in range(PHONES))])
    exact, quick = both(trained, obs.astype(dtype), np.concatenate([labels, np.repeat(range(PHONES), 30)]))
    if name == "constant":  # nothing tells components and phones apart
        np.testing.assert_allclose(quick.loglik, exact.loglik, rtol=1e-6)
    else:
        assert_near(exact, quick)


def test_frames_anywhere():
    """From near by to beyond what float32 squares, alone and among others, where phones differ by their means alone."""
    one = np.ones((1, 1, DIM))
    trained = {
        str(phone): PhoneModel(
            DiagMixture(np.zeros((1, 1)), CENTRES[phone, :1][None], one[0, 0], one), np.zeros(1), 1
        )
        for phone in range(PHONES)
    }
    labels, obs = frames(40, 3)
    for away in (3.0, 100.0, 1e4, 1e10, 1e19, 1e25, 1e36):
        moved = obs.copy()
        moved[::3] += away * np.sign(CENTRES[0, 0])
        for some in (slice(None), slice(1)):
            exact, quick = both(trained, moved[some].astype(np.float32), labels[some])
            np.testing.assert_allclose(quick.loglik, exact.loglik, rtol=1e-6)
            np.testing.assert_allclose(quick.ratio, exact.ratio, rtol=1e-5, atol=1e-3)


def test_no_frames():
    exact, quick = both(models(CHANGES["ordinary"]), np.zeros((0, DIM), np.float32), np.zeros(0, dtype=int))
    assert exact.table().shape == quick.table().shape == (0, 5)


def test_phones_of_other_scales():
    """Gaussians of one phone a million times as narrow, and phones with fewer Gaussians than others."""
    rng = np.random.default_rng(5)
    scales, counts = (1e-6, 1.0, 1e3), (2, 5, 3)
    mixtures = [
        DiagMixture(
            np.full((1, m), -np.log(m)),
            scale * rng.normal(size=(1, m, DIM)) + CENTRES[phone, 0],
            np.full(DIM, 1e-20),
            scale**2 * rng.uniform(0.5, 2, size=(1, m, DIM)),
        )
        for phone, (scale, m) in enumerate(zip(scales, counts, strict=True))
    ]
    trained = {str(phone): PhoneModel(mixture, np.zeros(1), 1) for phone, mixture in enumerate(mixtures)}
    labels = np.arange(60) % 3
    obs = np.concatenate([mixtures[label].sample([0], rng) for label in labels])
    assert_near(*both(trained, obs, labels))


def test_what_float32_does_not_pay_for_is_scored_in_float64():
    narrow = DiagMixture(
        np.zeros((1, 1)), np.zeros((1, 1, WIDE - 1)), np.ones(WIDE - 1), np.ones((1, 1, WIDE - 1))
    )
    wide = DiagMixture(np.zeros((1, 1)), np.zeros((1, 1, WIDE)), np.ones(WIDE), np.ones((1, 1, WIDE)))
    assert [isinstance(densities_of([one]), QuickDensities) for one in (narrow, wide)] == [False, True]
    assert not isinstance(densities_of([wide], exact=True), QuickDensities)
