"""Normalisation with a memory: the moments of the pooled frames, the training's among them, written out by hand."""

import dataclasses
import json

import numpy as np
import pytest

from asrkit.errors import SettingsError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.transform import Prior, TransformConfig, cmvn_stats, transform, transform_many
from asrkit.features.warp import WarpConfig
from asrkit.io.features import features_of_arrays
from asrkit.models.base import WarpedCopy

DIM = 3


def frames(count, seed=0, middle=4.0, spread=2.0):
    return np.random.default_rng(seed).normal(middle, spread, (count, DIM)).astype(np.float32)


TRAINING = frames(400, 99, middle=[-3.0, 0.0, 50.0], spread=[0.5, 1.0, 7.0])
PRIOR = Prior.of(cmvn_stats(TRAINING))


def config(cmvn="map", tau=100.0, **more):
    return TransformConfig(cmvn=cmvn, cmn_tau=tau, **{"delta_order": 0, **more})


def by_hand(x, heard, tau, prior=TRAINING, variance=True):
    """(x - m) / s, a maximum a posteriori about the mean and variance of `prior`, from all frames `heard`."""
    heard, m0, v0 = heard.astype(np.float64), prior.mean(0, dtype=np.float64), prior.var(0, dtype=np.float64)
    n = len(heard)
    m = (n * heard.mean(0) + tau * m0) / (n + tau)
    v = (((heard - m) ** 2).sum(0) + tau * (v0 + (m0 - m) ** 2)) / (n + tau)
    return (x - m) / (np.sqrt(v) if variance else 1.0)


@pytest.mark.parametrize("tau", [0.0, 0.5, 100.0, 1e4])
@pytest.mark.parametrize("cmvn", ["map", "map-mean"])
def test_the_formula(cmvn, tau):
    x = frames(40)
    found = transform(x, config(cmvn, tau), prior=PRIOR)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(x, x, tau, variance=cmvn == "map"), atol=2e-5)
    heard = np.concatenate([frames(70, 5), x])
    found = transform(x, config(cmvn, tau), cmvn_stats(heard), PRIOR)
    np.testing.assert_allclose(found, by_hand(x, heard, tau, variance=cmvn == "map"), atol=2e-5)


def test_the_prior_is_so_many_frames_that_lie_like_the_training():
    x = frames(40)
    pooled = np.concatenate([TRAINING, x]).astype(np.float64)
    found = transform(x, config(tau=float(len(TRAINING))), prior=PRIOR)
    np.testing.assert_allclose(found, (x - pooled.mean(axis=0)) / pooled.std(axis=0), atol=1e-5)


def test_the_two_ends_of_tau():
    x = frames(40)
    for cmvn, norm_vars in (("map", True), ("map-mean", False)):
        alone = transform(x, config("utterance", norm_vars=norm_vars))
        np.testing.assert_array_equal(transform(x, config(cmvn, 0.0), prior=PRIOR), alone)
    globally = (x - TRAINING.mean(axis=0)) / TRAINING.std(axis=0)
    np.testing.assert_allclose(transform(x, config(tau=1e12), prior=PRIOR), globally, atol=1e-4)


def test_several_at_once_and_deltas():
    some = [frames(count, count) for count in (1, 30, 2, 0, 7)]
    known = [None, cmvn_stats(frames(9)), None, None, None]
    for kind in ("map", "map-mean", "utterance", "speaker", "none", "sliding"):
        for order in (0, 1):
            own = config(kind, delta_order=order)
            for x, stats, found in zip(some, known, transform_many(some, own, known, PRIOR), strict=True):
                np.testing.assert_array_equal(found, transform(x, own, stats, PRIOR))
                assert found.dtype == np.float32 and found.shape == (len(x), DIM * (order + 1))


@pytest.mark.parametrize("tau", [0.0, 1e-3, 100.0, 1e9])
@pytest.mark.parametrize("value", [0.0, -2.5, 3000.1])
def test_a_silent_channel_is_not_blown_up(tau, value):
    x, still = frames(40), frames(300, 7)
    x[:, 1] = value
    found = transform(x, config(tau=tau), prior=PRIOR)
    assert np.isfinite(found).all() and np.abs(found).max() <= np.sqrt(len(x) + tau) + 1e-3
    # a dimension that never changed in training either, there or elsewhere
    still[:, 1] = value
    for never, bound in ((value, 0.0), (value + 1, np.sqrt(len(x) + tau) + 1e-3)):
        x[:, 1] = never
        found = transform(x, config(tau=tau), prior=Prior.of(cmvn_stats(still)))[:, 1]
        assert np.isfinite(found).all() and np.abs(found).max() <= bound


@pytest.mark.parametrize("factor", [2.0**40, 2.0**-40])
def test_scale_has_no_say(factor):
    x, training = frames(40), TRAINING.copy()
    x[:, 2], training[:, 2] = 3.3, 3.3
    found = [
        transform(x * by, config(), prior=Prior.of(cmvn_stats(training * by)))
        for by in (np.float32(1), np.float32(factor))
    ]
    np.testing.assert_array_equal(*found)
    assert found[0].any() and not found[0][:, 2].any()


# the front end


def front_end(prior=PRIOR, **more):
    return FrontEnd(DIM, GivenFeatures(), config(**more), prior=prior)


def test_the_prior_survives_json_to_the_last_bit():
    prior = Prior.of(cmvn_stats(frames(11) * np.float32(1e-30)))
    own = front_end(prior)
    again = FrontEnd.from_dict(json.loads(json.dumps(own.to_dict())))
    assert again == own and again.prior == prior and hash(again) == hash(own)
    assert own != front_end() and own.difference(DIM, GivenFeatures()) is None
    without = FrontEnd.from_dict({**front_end(None, cmvn="none").to_dict(), "prior": None})
    assert without.prior is None
    old = front_end(None, cmvn="none").to_dict()
    del old["prior"], old["transform"]["cmn_tau"]
    assert FrontEnd.from_dict(old) == without


def test_a_prior_that_is_none():
    with pytest.raises(SettingsError, match="cmvn=map: prior= is missing"):
        front_end(None)
    with pytest.raises(SettingsError, match="cmvn=map-mean: prior= is missing"):
        FrontEnd.of("mfcc", cmvn="map-mean")
    assert FrontEnd.of("mfcc", cmvn="map", num_ceps=DIM, prior=PRIOR).prior == PRIOR
    with pytest.raises(SettingsError, match="prior has 3 dimensions, the features have 4"):
        dataclasses.replace(front_end(), dim=4)
    for values in ({"mean": [0.0], "variance": [-1.0]}, {"mean": [float("nan")], "variance": [1.0]}):
        with pytest.raises(SettingsError, match="prior"):
            Prior.from_dict(values)
    with pytest.raises(SettingsError, match="cmvn=map-mean norm_vars=true"):
        TransformConfig(cmvn="map-mean", norm_vars=True)


# a data set


UTTS = {f"u{i}": frames(count, i, middle=i % 3) for i, count in enumerate((20, 3, 31, 9, 14, 25, 8, 40))}
SPEAKERS = dict(zip(UTTS, "abacbab", strict=False))  # the last speaker is not known
WORDS = dict.fromkeys(UTTS, "w")


def opened(utts=UTTS, memories=("speaker",), own=None, **more):
    arrays = {utt: UTTS[utt] for utt in utts}
    speakers = {utt: SPEAKERS[utt] for utt in utts if utt in SPEAKERS}
    given = {"transform_config": config()} if own is None else {"frontend": own}
    return features_of_arrays(arrays, WORDS, speakers, memories=memories, **given, **more)


def test_the_prior_is_that_of_all_stored_frames():
    together = np.concatenate(list(UTTS.values())).astype(np.float64)
    for copies in ({}, {"memories": ("none", "speaker")}):
        prior = opened(**copies).frontend.prior
        np.testing.assert_allclose(prior.mean, together.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(prior.variance, together.var(axis=0), rtol=1e-9)
    assert features_of_arrays(UTTS, WORDS, transform_config=TransformConfig()).frontend.prior is None


@pytest.mark.parametrize("memory", ["speaker", "whole", "none"])
def test_what_is_known_of_a_speaker(memory):
    found, utts = dict(opened(memories=(memory,), own=front_end())), list(UTTS)
    assert list(found) == utts
    for i, utt in enumerate(utts):
        until = {"speaker": utts[: i + 1], "whole": utts, "none": [utt]}[memory]
        known = [UTTS[own] for own in until if SPEAKERS.get(own, own) == SPEAKERS.get(utt, utt)]
        np.testing.assert_allclose(found[utt], by_hand(UTTS[utt], np.concatenate(known), 100.0), atol=2e-5)


def test_other_speakers_change_nothing():
    whole = dict(opened(own=front_end()))
    turned = sorted(UTTS, key=lambda utt: (-ord(SPEAKERS.get(utt, "z")), utt))
    alone = [list(filter(lambda utt: SPEAKERS.get(utt) == name, UTTS)) for name in ("a", "b", "c", None)]
    for utts in (turned, *alone):
        features = opened(utts, own=front_end())
        for _ in range(2):  # each time from the beginning
            for utt, found in features:
                np.testing.assert_array_equal(found, whole[utt])


def test_one_utterance_is_read_as_if_nothing_was_heard_before_it():
    for utt, x in UTTS.items():
        np.testing.assert_array_equal(opened(own=front_end()).read(utt), transform(x, config(), prior=PRIOR))


def test_training_alone_by_speaker_or_both():
    alone, heard = (dict(opened(memories=(memory,))) for memory in ("none", "speaker"))
    both = dict(opened(memories=WarpConfig("", "both").memories))
    assert list(both)[:4] == ["u0", WarpedCopy("u0", "1", "speaker"), "u1", WarpedCopy("u1", "1", "speaker")]
    assert str(list(both)[1]) == "u0 1 speaker" and len(both) == 2 * len(UTTS)
    for utt in UTTS:
        np.testing.assert_array_equal(both[utt], alone[utt])
        np.testing.assert_array_equal(both[WarpedCopy(utt, "1", "speaker")], heard[utt])
    assert WarpConfig().memories == ("none",) and WarpConfig("", "speaker").memories == ("speaker",)


def test_copies_are_normalised_by_their_own_frames():
    from asrkit.features.kinds.mfcc import MfccConfig
    from asrkit.features.warp import warp_feats

    kind = MfccConfig(num_ceps=DIM, use_energy=False)
    matrix, memories = kind.warp_matrix(0.9), ("none", "speaker")
    found = dict(
        features_of_arrays(
            UTTS, WORDS, SPEAKERS, kind=kind, transform_config=config(), warps=(1.0, 0.9), memories=memories
        )
    )
    assert len(found) == 4 * len(UTTS)
    training = np.concatenate(list(UTTS.values()))
    warped = {utt: warp_feats(x, matrix) for utt, x in UTTS.items()}
    for key, until in ((WarpedCopy("u2", "0.9"), ["u2"]), (WarpedCopy("u2", "0.9", "speaker"), ["u0", "u2"])):
        heard = np.concatenate([warped[utt] for utt in until])
        expected = by_hand(warped["u2"], heard, 100.0, training)
        np.testing.assert_allclose(found[key], expected, atol=2e-5)


def test_normalisations_without_a_memory_have_no_copies():
    for cmvn in ("none", "utterance", "speaker"):
        one, two = (
            features_of_arrays(UTTS, WORDS, SPEAKERS, memories=memories, transform_config=config(cmvn))
            for memories in (("none",), ("none", "speaker"))
        )
        for (utt, found), (other, same) in zip(one, two, strict=True):
            np.testing.assert_array_equal(found, same)
            assert utt == other
