"""Features that are no numbers, or none that float32 holds, and statistics that are none: at the doors where files come in."""

import kaldiio
import numpy as np
import pytest
from command import asrkit
from scored import TRAIN, write_set

from asrkit.errors import DataError
from asrkit.features.frontend import LARGEST, SMALLEST, unusable
from asrkit.features.transform import TransformConfig, apply_cmvn, cmvn_stats, sliding_cmvn
from asrkit.io.features import read_features
from asrkit.io.store import Store

BAD = {
    "NaN": (lambda x: x * [[np.nan, 1, 1, 1]], "hold NaN or infinite values"),
    "infinite": (lambda x: x + [[np.inf, 0, 0, 0]], "hold NaN or infinite values"),
    "1e38": (lambda x: x * 1e38, "hold values beyond 1e+37, too large for float32"),
    "-1e38": (lambda x: np.where(x == x.max(), -1e38, x), "hold values beyond 1e+37, too large for float32"),
    "1e200": (lambda x: x * 1e200, "hold values beyond 1e+37, too large for float32"),
    "1e-200": (lambda x: x * 1e-200, "too small for float32"),
}


def spoil(data, change):
    """Write the features of a data directory anew, float64, one utterance's changed; give its name."""
    feats = {utt: np.float64(own) for utt, own in kaldiio.load_scp(str(data / "feats.scp")).items()}
    first = next(iter(feats))
    feats[first] = change(feats[first])
    kaldiio.save_ark(str(data / "feats.ark"), feats, scp=str(data / "feats.scp"))
    return first


@pytest.mark.parametrize("bad", BAD)
def test_every_door_names_what_can_not_be_used(tmp_path, capsys, bad):
    change, told = BAD[bad]
    asrkit(
        "mixgop",
        "train",
        write_set(tmp_path / "good", 0) / "data",
        tmp_path / "good" / "ali",
        tmp_path / "phones",
        *TRAIN,
    )
    folder = write_set(tmp_path / "bad", 0)
    data = folder / "data"
    (data / "text").write_text(
        "".join(f"{line.split()[0]} one\n" for line in (data / "utt2spk").read_text().splitlines())
    )
    asrkit("train", data, tmp_path / "words", "--family=gmm", "--num-gauss=1", "--warps=")
    utt = spoil(data, change)
    doors = {
        "train": ("train", data, tmp_path / "exp", "--family=gmm", "--warps="),
        "train-codebook": ("train-codebook", data, tmp_path / "exp"),
        "decode": ("decode", tmp_path / "words", data, tmp_path / "decode"),
        "compute-cmvn": ("compute-cmvn", data),
        "mixgop train": ("mixgop", "train", data, folder / "ali", tmp_path / "exp", *TRAIN),
        "mixgop score": ("mixgop", "score", tmp_path / "phones", data, folder / "ali", tmp_path / "scores"),
    }
    for door, words in doors.items():
        capsys.readouterr()
        asrkit(*words, status=1)
        said = "".join(capsys.readouterr())
        assert utt in said and told in said, door


@pytest.mark.parametrize("spoilt", ["count", "nan", "infinite", "large"])
def test_statistics_that_are_none_are_refused(tmp_path, spoilt):
    data = write_set(tmp_path / "set", 0) / "data"
    stats = cmvn_stats(np.random.default_rng(0).normal(size=(9, 4)))
    place, value = {"count": (4, 0.0), "nan": (1, np.nan), "infinite": (1, np.inf), "large": (1, 1e300)}[
        spoilt
    ]
    broken = stats.copy()
    broken[0, place] = value
    kaldiio.save_ark(str(data / "cmvn.ark"), {"ann": stats, "bob": broken}, scp=str(data / "cmvn.scp"))
    with pytest.raises(DataError, match=r"cmvn.scp: speaker 'bob': .*asrkit compute-cmvn"):
        read_features(data, transform_config=TransformConfig(cmvn="speaker"))


@pytest.mark.parametrize("factor", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_normalised_variances_have_no_scale(factor):
    x = np.float32(np.random.default_rng(0).normal(size=(300, 3)))
    column = np.full((300, 1), -15.94 * factor)
    feats = np.float32(np.hstack([x * factor, column]))
    for normalise in (
        lambda feats: apply_cmvn(feats, cmvn_stats(feats), norm_vars=True),
        lambda feats: sliding_cmvn(feats, 100, norm_vars=True),
    ):
        found = normalise(feats)
        np.testing.assert_allclose(found[:, :3], normalise(x), rtol=1e-4, atol=1e-5)
        assert not found[:, 3].any()


@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_a_word_knows_the_variance_over_all_words(tmp_path, monkeypatch, memory):
    monkeypatch.setattr("asrkit.io.store.MEMORY", memory)
    data = write_set(tmp_path / "set", 0) / "data"
    offset = np.array([0, 1e6, -1e6, 1e3], dtype=np.float32)
    feats = {utt: own + offset for utt, own in kaldiio.load_scp(str(data / "feats.scp")).items()}
    kaldiio.save_ark(str(data / "feats.ark"), feats, scp=str(data / "feats.scp"))
    store = Store(read_features(data, transform_config=TransformConfig(delta_order=0)), tmp_path)
    expected = np.concatenate(list(feats.values())).var(axis=0, dtype=np.float64)
    for most in (50, 100_000):
        np.testing.assert_allclose(store.sample(store.utts[:3], most).variance, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_are_usable_by_their_values_alone(dtype):
    rng = np.random.default_rng(0)
    for power in range(-46, 39):
        for odd in (None, 0.0, np.nan, np.inf, -1e38, 1e-300):
            feats = (rng.normal(size=(rng.integers(1, 9), 3)) * 10.0**power).astype(dtype)
            if odd is not None:
                feats[-1, rng.integers(3)] = odd
            largest = np.abs(feats).max()  # NaN if any is
            usable = largest <= LARGEST and not 0 < largest < SMALLEST
            assert (unusable(feats) is None) == usable, feats
