"""Scale has no say: features times a factor, or with a constant column more, train the same models in every family."""

import functools
import re

import numpy as np
import pytest

from asrkit import families
from asrkit.errors import DataError
from asrkit.io.features import ReadConfig, features_of_arrays
from asrkit.words.decoding import Scorer
from asrkit.words.settings import TrainingSettings
from asrkit.workflows.train import open_features, train_opened

SMALL = {
    "num_states": 3,
    "num_gauss": 2,
    "min_count": 5.0,
    "codebook_size": 8,
    "num_frames": 10,
    "max_iters": 3,
    "growth_iters": 2,
    "num_starts": 1,
}
FULL = {**SMALL, "covariance": "full", "delta_order": 2}
SHARED = {**FULL, "shared_frames": 20.0}
NORMALISED = {**SMALL, "cmvn": "speaker", "norm_vars": True, "delta_order": 1}
SETTINGS = {"small": SMALL, "full": FULL, "shared": SHARED, "normalised": NORMALISED}
POWERS = {  # of a unit, that the arrays of models are in
    "means": 1,
    "center": 1,
    "templates": 1,
    "variances": 2,
    "covariances": 2,
    "variance_floor": 2,
    "change": 2,
    "metric": -1,
}


@functools.cache
def recordings(seed):
    """Dict of utterance to (T, 3): three words, four recordings each; in steps of 1/64, so that factors and offsets cost no digits."""
    rng, made = np.random.default_rng(seed), {}
    for place, word in enumerate("abc"):
        for take in range(4):
            time = np.linspace(0, 1, rng.integers(14, 24))[:, None]
            curve = np.sin(3 * time + 2 * place + np.arange(3)) * 1.5 + 0.5 * place
            made[f"{word}{take}"] = np.round((curve + rng.standard_normal(curve.shape)) * 64) / 64
    return made


def changed(seed, change):
    return {utt: np.float32(change(feats)) for utt, feats in recordings(seed).items()}


def hear(arrays, transform_config=None, frontend=None):
    return features_of_arrays(
        arrays,
        {utt: utt[0] for utt in arrays},
        {utt: utt[1] for utt in arrays},
        transform_config=transform_config,
        frontend=frontend,
    )


def trained(family, change, settings):
    """A vocabulary trained on changed features, and the scores of others that were changed alike."""
    known = set(TrainingSettings.of(family).values())
    own = TrainingSettings.of(
        family, **{name: value for name, value in {"delta_order": 0, **settings}.items() if name in known}
    )
    opened = open_features(
        hear(changed(0, change), own.transform), None, own, ReadConfig(), write_codebook=False
    )
    vocabulary = train_opened(opened, [own], ReadConfig())[0].vocabulary
    return vocabulary, Scorer(vocabulary).scores(list(hear(changed(1, change), frontend=vocabulary.frontend)))


@functools.cache
def unchanged(family, name):
    return trained(family, lambda feats: feats, SETTINGS[name])


def same_decisions(scores, others, near=1e-5):
    assert (scores.argmax(axis=1) == others.argmax(axis=1)).all()
    margins, expected = (own - own.max(axis=1, keepdims=True) for own in (scores, others))
    np.testing.assert_allclose(margins, expected, rtol=near, atol=near * np.abs(expected).max())


@pytest.mark.parametrize("power", [-40, 40])
@pytest.mark.parametrize("name", ["small", "full", "shared"])
@pytest.mark.parametrize("family", families.names())
def test_features_times_a_factor_train_the_models_times_it(family, name, power):
    vocabulary, scores = trained(family, lambda feats: feats * 2.0**power, SETTINGS[name])
    same_decisions(scores, unchanged(family, name)[1])
    for word, model in unchanged(family, name)[0].models.items():
        found = vocabulary.models[word].to_arrays()
        for part, array in model.to_arrays().items():
            unit = 2.0 ** (power * POWERS.get(part, 0))
            # a constant of a log density is the larger the further the scale is from 1, and float32 rounds it
            atol = 1e-4 * unit * np.abs(array[np.isfinite(array)]).max()
            np.testing.assert_allclose(found[part], array * unit, rtol=1e-5, atol=atol, err_msg=part)


def jitter(feats):
    """-15.94 or the nearest float32: what rounding makes of a constant."""
    there = np.float32(-15.94)
    return np.where(feats[:, 0] > 0, there, np.nextafter(there, np.float32(0)))


COLUMNS = {
    "0": 0.0,
    "1": 1.0,
    "an empty band": -15.94,
    "1e6": 1e6,
    "1e30": 1e30,
    "1e-30": 1e-30,
    "but for rounding": jitter,
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("family", families.names())
def test_a_constant_column_has_no_say(family, column):
    value = COLUMNS[column]

    def change(feats):
        return np.c_[
            feats[:, :1], value(feats) if callable(value) else np.full(len(feats), value), feats[:, 1:]
        ]

    name = "full" if column in ("an empty band", "but for rounding") else "small"
    near = 1e-2 if callable(value) else 1e-5
    same_decisions(trained(family, change, SETTINGS[name])[1], unchanged(family, name)[1], near)


@pytest.mark.parametrize("family", families.names())
def test_normalisation_has_no_scale_and_blows_up_no_constant(family):
    scales = 2.0 ** np.array([-20, 30, 0])
    for change in (lambda feats: feats * scales, lambda feats: np.c_[feats, jitter(feats)]):
        same_decisions(trained(family, change, NORMALISED)[1], unchanged(family, "normalised")[1], 1e-3)


@pytest.mark.parametrize("family", families.names())
def test_each_dimension_may_have_a_scale_and_a_place_of_its_own(family):
    scales = 2.0 ** np.array([-40, 0, 40])
    for change in (lambda feats: feats * scales, lambda feats: feats + [1e4, 0, -1e4]):
        same_decisions(trained(family, change, SMALL)[1], unchanged(family, "small")[1])


@pytest.mark.parametrize("values", [(1, 2, 3), (0, 1, None)])
@pytest.mark.parametrize("family", families.names())
def test_a_column_that_is_constant_in_single_words(family, values):
    """Its floor is a fraction of its variance over all words, so that scale has no say there, either."""

    def column(feats):
        word = next(
            utt[0] for data in (recordings(0), recordings(1)) for utt, own in data.items() if own is feats
        )
        value = values["abc".index(word)]
        return feats[:, 0] / 2 if value is None else np.full(len(feats), float(value))

    plain = trained(family, lambda feats: np.c_[feats, column(feats)], SMALL)[1]
    assert (plain.argmax(axis=1) == np.repeat([0, 1, 2], 4)).all()
    tiny = trained(family, lambda feats: np.c_[feats, column(feats)] * 2.0**-40, SMALL)[1]
    same_decisions(tiny, plain)


@pytest.mark.parametrize("family", families.names())
@pytest.mark.parametrize(
    "factor, told", [(1e200, "beyond 1e+37"), (1e38, "beyond 1e+37"), (1e-45, "too small")]
)
def test_what_float32_can_not_hold_is_unusable(family, factor, told):
    arrays = {utt: feats * factor for utt, feats in recordings(0).items()}
    with pytest.raises(DataError, match=rf"a0: .*{re.escape(told)}"):
        hear(arrays, TrainingSettings.of(family).transform)
    some = {utt: feats * (factor if utt == "a0" else 1.0) for utt, feats in recordings(0).items()}
    features = hear(some, TrainingSettings.of(family).transform)
    assert (
        len(list(features)) == 11 and list(features.skipped) == ["a0"] and "float32" in features.skipped["a0"]
    )


@pytest.mark.parametrize("family", families.names())
def test_large_values_whose_squares_pass_float32_train_as_others(family):
    for factor in (2.0**100, 2.0**-100):
        same_decisions(
            trained(family, lambda feats, factor=factor: feats * factor, NORMALISED)[1],
            unchanged(family, "normalised")[1],
        )
