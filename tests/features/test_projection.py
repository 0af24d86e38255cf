"""Projections against scikit-learn's, and what they promise: the covariance of all frames, or that within the classes, is the
identity.
"""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from asrkit.errors import DataError, SettingsError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.projection import Projection, ProjectionConfig
from asrkit.features.transform import TransformConfig
from asrkit.io.features import features_of_arrays
from asrkit.words.settings import TrainingSettings

DIM = 6
MIX = np.random.default_rng(7).standard_normal((DIM, DIM)) * [1, 2, 1, 0.5, 1, 3]


def recordings(count=30, least=5, scale=1.0):
    """(word, frames): two words whose frames wander, in correlated dimensions far from 0."""
    rng = np.random.default_rng(3)
    out = []
    for number in range(count):
        word = ("no", "yes")[number % 2]
        length = int(rng.integers(least, 40))
        path = np.linspace(-1, 1, length)[:, None] * (
            [2, 0, 1, 0, 0, 1] if word == "no" else [0, 3, -1, 1, 0, 0]
        )
        out.append((word, ((path + rng.standard_normal((length, DIM))) @ MIX + 20) * scale))
    return [(word, frames.astype(np.float32)) for word, frames in out]


def classes(items):
    """The word and the fifth that each frame is in, counted frame by frame."""
    return [f"{word} {5 * t // len(frames)}" for word, frames in items for t in range(len(frames))]


def of(items=None, **settings):
    return Projection.of(items or recordings(), ProjectionConfig(**settings))


def projected(found, items):
    return np.concatenate([found.apply(frames) for _, frames in items])


def up_to_signs(x, peer):
    return x * np.sign((x * peer).sum(axis=0))


@pytest.mark.parametrize("dim", [1, 4, 6])
def test_pca_is_scikit_learns(dim):
    items = recordings()
    found, x = of(items, pca_dim=dim), np.concatenate([frames for _, frames in items]).astype(np.float64)
    peer = PCA(dim, whiten=True, svd_solver="full").fit(x)
    expected = peer.transform(x) * np.sqrt(len(x) / (len(x) - 1))  # it divides by one less
    np.testing.assert_allclose(up_to_signs(projected(found, items), expected), expected, atol=2e-5)
    covariance = np.cov(projected(found, items).T.astype(np.float64), bias=True)
    np.testing.assert_allclose(np.atleast_2d(covariance), np.eye(dim), atol=2e-5)


@pytest.mark.parametrize("least", [5, 1])  # of one frame there are parts without any
@pytest.mark.parametrize("dim", [1, 3, 6])
def test_lda_is_scikit_learns(dim, least):
    items = recordings(least=least)
    found, labels = of(items, lda_dim=dim), np.array(classes(items))
    x = np.concatenate([frames for _, frames in items]).astype(np.float64)
    peer = LinearDiscriminantAnalysis(solver="eigen", n_components=dim).fit(x, labels)
    expected = (x - x.mean(axis=0)) @ peer.scalings_[:, :dim]
    y = projected(found, items).astype(np.float64)
    np.testing.assert_allclose(up_to_signs(y, expected), expected, atol=5e-5)
    inside = np.concatenate([y[labels == own] - y[labels == own].mean(axis=0) for own in set(labels)])
    np.testing.assert_allclose(inside.T @ inside / len(y), np.eye(dim), atol=2e-5)
    between = np.cov(y.T, bias=True).reshape(dim, dim) - np.eye(dim)
    np.testing.assert_allclose(between, np.diag(np.diagonal(between)), atol=5e-5)
    assert (np.diff(np.diagonal(between)) < 1e-5).all()  # the most telling first


@pytest.mark.parametrize("settings", [{"pca_dim": 3}, {"lda_dim": 3}])
def test_scale_has_no_say(settings):
    plain, tiny = (of(recordings(scale=scale), **settings) for scale in (1.0, 2.0**-30))
    for (_, frames), (_, small) in zip(recordings(), recordings(scale=2.0**-30), strict=True):
        np.testing.assert_allclose(plain.apply(frames), tiny.apply(small), atol=1e-5)
    wide = [(word, frames * np.float32([1, 2**-20, 1, 2**20, 1, 1])) for word, frames in recordings()]
    if "lda_dim" in settings:  # an lda's directions do not hang on units, a pca's do
        other = projected(of(wide, **settings), wide)
        own = projected(plain, recordings())
        np.testing.assert_allclose(up_to_signs(other, own), own, atol=1e-3)


def test_each_axis_has_its_largest_entry_positive():
    for settings in ({"pca_dim": 6}, {"lda_dim": 6}):
        axes = np.array(of(**settings).axes)
        assert (axes.max(axis=1) == np.abs(axes).max(axis=1)).all()


def test_a_recording_is_projected_as_if_it_were_alone():
    items = recordings()
    found = FrontEnd(3, GivenFeatures(), TransformConfig(delta_order=1), projection=of(items, lda_dim=4))
    stored = [frames[:, :3] for _, frames in items]
    together = found.model_features(stored, [None] * len(stored))
    assert found.model_dim == 4 == together[0].shape[1] and found.num_blocks == 1
    assert found.dimension_names == ["LDA 1", "LDA 2", "LDA 3", "LDA 4"]
    for own, part in zip(stored, together, strict=True):
        np.testing.assert_array_equal(found.model_features([own], [None])[0], part)


def test_it_comes_after_deltas_and_normalisation():
    found = of(lda_dim=4)
    plain = FrontEnd(3, GivenFeatures(), TransformConfig(cmvn="utterance", delta_order=1))
    whole = dataclasses.replace(plain, projection=found)
    stored = recordings()[0][1][:, :3]
    (before,), (after,) = (one.model_features([stored], [None]) for one in (plain, whole))
    expected = (before - np.array(found.center)) @ np.array(found.axes).T
    np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-5)
    assert after.dtype == np.float32


def test_it_travels_with_the_front_end():
    one = FrontEnd(3, GivenFeatures(), TransformConfig(delta_order=1), projection=of(pca_dim=2))
    assert FrontEnd.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    plain = dataclasses.replace(one, projection=None)
    assert "projection" not in plain.to_dict() and FrontEnd.from_dict(plain.to_dict()) == plain != one


@pytest.mark.parametrize(
    "change",
    [
        {"method": "svd"},
        {"axes": []},
        {"axes": [[1.0, 2.0], [1.0]]},
        {"axes": [[float("nan")] * DIM]},
        {"axes": [1.0]},
        {"center": [0.0]},
    ],
)
def test_what_is_no_projection_is_refused(change):
    values = of(pca_dim=2).to_dict()
    with pytest.raises((SettingsError, TypeError)):
        Projection.from_dict({**values, **change})


def test_dimensions_must_fit():
    with pytest.raises(
        SettingsError, match="the projection is of 6 dimensions, the features with deltas have 3"
    ):
        FrontEnd(3, GivenFeatures(), TransformConfig(delta_order=0), projection=of(pca_dim=2))


def opened(items=None, delta_order=0, **settings):
    items = items or recordings()
    names = [f"utt{number:02}" for number in range(len(items))]
    return features_of_arrays(
        dict(zip(names, (frames for _, frames in items), strict=True)),
        dict(zip(names, (word for word, _ in items), strict=True)),
        transform_config=TransformConfig(delta_order=delta_order),
        projection_config=ProjectionConfig(**settings),
    )


@pytest.mark.parametrize(
    "settings, why",
    [
        ({"pca_dim": 7}, "pca_dim=7: the frames vary in 6 directions"),
        ({"lda_dim": 7}, "lda_dim=7: the frames vary in 6 directions within the words' parts"),
        ({"lda_dim": 10, "delta_order": 1}, "lda_dim=10: 10 parts of words are told apart in 9 directions"),
    ],
)
def test_more_dimensions_than_there_are(settings, why):
    with pytest.raises(DataError, match=f"data: {why} \\(ask for no more\\)"):
        opened(**settings)


@pytest.mark.parametrize("settings", [{"pca_dim": 6}, {"lda_dim": 6}])
def test_constant_and_repeated_dimensions_are_no_directions(settings):
    items = recordings()
    # one more is constant but for rounding, one repeats another
    rng, wide = np.random.default_rng(0), []
    for word, x in items:
        still = np.float32(1e6) + np.float32(0.0625) * rng.integers(0, 2, len(x))
        wide.append((word, np.column_stack([x, still, x[:, 2]]).astype(np.float32)))
    found, own = of(wide, **settings), of(items, **settings)
    assert np.isfinite(found.axes).all()
    if "lda_dim" in settings:
        y, expected = projected(found, wide), projected(own, items)
        np.testing.assert_allclose(up_to_signs(y, expected), expected, atol=1e-3)
    with pytest.raises(ValueError, match="vary in 6 directions"):
        of(wide, **dict.fromkeys(settings, 7))


def test_frames_that_do_not_vary():
    still = [("no", np.ones((9, 2), np.float32))] * 3
    for settings in ({"pca_dim": 1}, {"lda_dim": 1}):
        with pytest.raises(ValueError, match="vary in 0 directions"):
            of(still, **settings)


def test_an_lda_needs_words():
    items = [("", frames) for _, frames in recordings()]
    with pytest.raises(DataError, match="lda_dim=2: utterance 'utt00' has no word"):
        opened(items, lda_dim=2)
    assert opened(items, pca_dim=2).frontend.model_dim == 2


def test_settings():
    with pytest.raises(SettingsError, match="pca_dim=2 and lda_dim=3: one projection or the other"):
        TrainingSettings.of("gmm", pca_dim=2, lda_dim=3)
    assert TrainingSettings.of("gmm").projection.method == ""
    assert (
        features_of_arrays(
            {"a": np.ones((3, 2), np.float32)}, {"a": "no"}, transform_config=TransformConfig()
        ).frontend.projection
        is None
    )


def test_warped_recordings_can_not_be_compared():
    frontend = FrontEnd.of("mfcc", delta_order=0, num_ceps=6, projection=of(lda_dim=6))
    with pytest.raises(
        DataError, match="lda features can't be compared with warped ones .leave test_warps= out"
    ):
        frontend.check_warpable()
    copies, volumes = frontend.copies(recordings()[0][1], [1.0, 1.1])
    assert copies.shape[1:] == (2, 6) and np.isnan(volumes).all()
