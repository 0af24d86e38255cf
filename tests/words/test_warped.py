"""decode and recognize --test-warps: recordings heard as other vocal tracts would have said them, too."""

import functools
import json

import numpy as np
import pytest
from command import MFCC, asrkit
from synthetic import write_words

import asrkit as face
from asrkit.errors import DataError, SettingsError
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.features.transform import TransformConfig
from asrkit.features.warp import HearWarpedConfig, warp_feats
from asrkit.io.archive import read_matrix
from asrkit.io.features import ReadConfig, features_of_arrays
from asrkit.io.files import read_table
from asrkit.words.decoding import Scorer
from asrkit.words.settings import TrainingSettings
from asrkit.words.warped import NEAR, copies_of, hear_warped
from asrkit.workflows.train import open_features, train_opened

KIND = MfccConfig(sample_rate_hz=8000, use_energy=False)
FACTORS = (1.0, 0.85, 1.2)


def stored(seed, words="abcdefg", takes=4, length=30, scale=1.0):
    """Cepstra of words that differ in place; dict of utterance to float32 (T, 13)."""
    rng, centers = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(len(words), 2, 13))
    return {
        f"{word}{take}": np.float32(
            np.repeat(3 * centers[place], length // 2, axis=0)
            + scale * rng.normal(size=(2 * (length // 2), 13))
            + take % 2
        )
        for place, word in enumerate(words)
        for take in range(takes)
    }


def hear(arrays, transform=None, frontend=None, warps=(1.0,)):
    texts, speakers = {utt: utt[0] for utt in arrays}, {utt: utt[1] for utt in arrays}
    return features_of_arrays(
        arrays, texts, speakers, kind=KIND, transform_config=transform, frontend=frontend, warps=warps
    )


@functools.cache
def vocabulary(family="chmm", **settings):
    few = {"num_gauss": 1} if family in ("gmm", "chmm", "schmm") else {"codebook_size": 8, "num_frames": 8}
    known = TrainingSettings.of(family).values()
    values = {"num_states": 2, "max_iters": 3, "warps": "", **few, **settings}
    own = TrainingSettings.of(family, **{name: value for name, value in values.items() if name in known})
    opened = open_features(hear(stored(0), own.transform), None, own, ReadConfig(), write_codebook=False)
    return train_opened(opened, [own], ReadConfig())[0].vocabulary


def each_copy(model, method, features):
    """Brute force: every copy of every utterance under every word, and its volume; (utts, (U, K, W))."""
    scorer, found = Scorer(model, method), {}
    for key, feats in features:
        utt, factor = (key, "1") if isinstance(key, str) else (key.utt, key.factor)
        order, volume = model.frontend.transform.delta_order, 0.0
        if factor != "1":
            volume = (order + 1) * np.log(abs(np.linalg.det(KIND.warp_matrix(float(factor)))))
        found.setdefault(utt, []).append(scorer.scores([(utt, feats)])[0] + len(feats) * volume)
    return list(found), np.array(list(found.values()))


@pytest.mark.parametrize("method", ["viterbi", "forward"])
@pytest.mark.parametrize("family", ["gmm", "chmm", "schmm"])
def test_the_likeliest_copy_counts(family, method):
    model = vocabulary(family)
    features = hear(stored(1, scale=3.0), frontend=model.frontend, warps=FACTORS)
    utts, every = each_copy(model, method, features)
    near = np.argsort(np.argsort(-every[:, 0], axis=1), axis=1) < NEAR
    expected = np.where(near, every.max(axis=1), every[:, 0])
    assert (every.argmax(axis=1).max(axis=1) > 0).any() and not near.all()
    found = list(hear_warped(features, Scorer(model, method), "recording", 1))
    assert [utt for some, _, _ in found for utt in some] == utts
    assert [n for _, some, _ in found for n in some] == [30] * len(utts)
    np.testing.assert_allclose(np.concatenate([rows for _, _, rows in found]), expected, rtol=1e-6)
    untouched = every.copy()
    every[:, 1:][np.broadcast_to(~near[:, None], every[:, 1:].shape)] = -np.inf
    expected = np.empty(every[:, 0].shape)
    for speaker in "0123":
        own = [utts.index(utt) for utt in utts if utt[1] == speaker]
        place = every[own].max(axis=2).sum(axis=0).argmax()
        expected[own] = untouched[own, place]
    by_speaker = np.concatenate(
        [rows for _, _, rows in hear_warped(features, Scorer(model, method), "speaker", 1)]
    )
    np.testing.assert_allclose(by_speaker, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        TransformConfig(delta_order=0),
        TransformConfig(delta_order=1, cmvn="utterance"),
        TransformConfig(delta_order=2, cmvn="speaker", norm_vars=True),
        TransformConfig(delta_order=1, cmvn="utterance", norm_vars=True),
        TransformConfig(delta_order=1, cmvn="map"),
    ],
)
def test_volume_is_the_determinant_of_the_map_between_the_copies(config):
    """The map is found by least squares from the copies themselves."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(13, 13))
    arrays = {f"{utt}": np.float32(rng.normal(size=(150, 13)) @ mix + 20) for utt in ("a0", "a1", "b0")}
    for item in copies_of(hear(arrays, config, warps=FACTORS)):
        assert item.volumes[0] == 0 and item.feats.shape == (150, 3, 13 * (config.delta_order + 1))
        own = np.column_stack([item.feats[:, 0], np.ones(150)]).astype(float)
        for place in (1, 2):
            matrix = np.linalg.lstsq(own, item.feats[:, place].astype(float), rcond=None)[0][:-1]
            assert item.volumes[place] == pytest.approx(np.linalg.slogdet(matrix)[1], rel=1e-3, abs=1e-3)


def test_what_was_said_as_in_training_is_likeliest_as_it_is():
    """Gibbs' inequality, which holds for densities alone: the matrix of 0.85 shrinks, and what shrinks lies in the middle."""
    model = vocabulary("gmm", delta_order=0)
    features = hear(stored(0), frontend=model.frontend, warps=FACTORS)
    likes = np.array([item.volumes * len(item.feats) for item in copies_of(features)])
    assert (likes[:, 1:] < 0).all()
    rows = [rows for _, _, rows in hear_warped(features, Scorer(model), "speaker", 1)]
    plain = Scorer(model).scores(list(hear(stored(0), frontend=model.frontend)))
    np.testing.assert_array_equal(np.concatenate(rows), plain)


def test_a_recording_too_short_for_every_word_has_no_score():
    model = vocabulary()
    narrow = warp_feats(stored(1, scale=0.2)["b0"], np.linalg.inv(KIND.warp_matrix(1.2)))
    arrays = {"a0": stored(1)["a0"][:1], "b0": narrow}
    features = hear(arrays, frontend=model.frontend, warps=FACTORS)
    for by in ("recording", "speaker"):
        ((utts, lengths, rows),) = hear_warped(features, Scorer(model), by, 1)
        assert utts == ["a0", "b0"] and lengths == [1, 30]
        assert np.isneginf(rows[0]).all() and np.isfinite(rows[1]).all()
        every = each_copy(model, "viterbi", features)[1]
        assert every[1].max(axis=1).argmax() == 2 and rows[1].max() == pytest.approx(every[1].max())


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", speakers=("anna", "bert"), takes=range(3))
    asrkit(
        "prepare-wavs",
        top / "wavs",
        top / "data",
        "--endpoints=false",
        "--pattern",
        "{word}_{speaker}_{index}",
    )
    asrkit("compute-mfcc", top / "data", *MFCC)
    asrkit(
        "train",
        top / "data",
        top / "chmm",
        "--family=chmm",
        "--num-states=3",
        "--num-gauss=1",
        "--max-iters=3",
    )
    return top


@pytest.mark.bytes
@pytest.mark.parametrize("by", ["recording", "speaker"])
def test_decode_in_any_number_of_jobs(world, tmp_path, by):
    for jobs in (1, 2):
        words = ["--test-warps=0.85,1.2", f"--test-warps-by={by}", f"--nj={jobs}"]
        asrkit("decode", world / "chmm", world / "data", tmp_path / str(jobs), *words)
    for name in ("scores.ark", "hyp"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    facts = json.loads((tmp_path / "1" / "decode.json").read_text())
    assert (facts["test_warps"], facts["test_warps_by"], facts["decoded"]) == ("0.85,1.2", by, 18)
    asrkit("decode", world / "chmm", world / "data", tmp_path / "plain")
    assert "test_warps" not in json.loads((tmp_path / "plain" / "decode.json").read_text())


def test_a_recognizer_hears_what_decode_hears(world, tmp_path, capsys):
    asrkit(
        "decode",
        world / "chmm",
        world / "data",
        tmp_path / "out",
        "--test-warps=0.85,1.2",
        "--cmvn-memory=none",
    )
    paths = read_table(world / "data" / "wav.scp")
    recognizer = face.load(world / "chmm", test_warps="0.85,1.2")
    heard = {utt: recognizer.recognize(path, endpoint=False) for utt, path in paths.items()}
    rows = recognizer.scores(list(paths.values()), endpoint=False)
    for (utt, found), row in zip(heard.items(), rows, strict=True):
        expected = read_matrix(read_table(tmp_path / "out" / "scores.scp")[utt])
        np.testing.assert_allclose(list(found.scores.values()), expected, rtol=1e-6, atol=1e-3)
        np.testing.assert_allclose(row, expected, rtol=1e-6, atol=1e-3)
    capsys.readouterr()
    utt, path = next(iter(paths.items()))
    asrkit("recognize", world / "chmm", path, "--test-warps=0.85,1.2", "--endpoint=false")
    assert f"{heard[utt].word} {heard[utt].log_likelihood:.2f}" in capsys.readouterr().out


def test_what_can_not_be_warped_is_refused(world, tmp_path):
    for family in ("dhmm", "dtw"):
        with pytest.raises(DataError, match=f"a {family} has no densities"):
            face.Recognizer(vocabulary(family), test_warps="1.1")
    features = features_of_arrays(
        stored(0), {utt: utt[0] for utt in stored(0)}, transform_config=TransformConfig()
    )
    own = TrainingSettings.of("gmm", num_gauss=1, max_iters=1, warps="")
    opened = open_features(features, None, own, ReadConfig(), write_codebook=False)
    given = train_opened(opened, [own], ReadConfig())[0].vocabulary
    with pytest.raises(
        DataError, match=r"how the model's features were made is not known \(leave test_warps= out\)"
    ):
        face.Recognizer(given, test_warps="1.1")
    for factors, told in (
        ("1", "is 1, which is always there"),
        ("0.9,x", "'x' is no number"),
        ("3", "more than 2"),
    ):
        with pytest.raises(SettingsError, match=f"test_warps={factors}: .*{told}"):
            HearWarpedConfig(factors)
    with pytest.raises(SystemExit):
        asrkit("decode", world / "chmm", world / "data", tmp_path / "no", "--test-warps=1.1", "--adapt=map")
    assert not (tmp_path / "no" / "hyp").exists()
    with pytest.raises(DataError, match="with test_warps= nothing is learned of a speaker"):
        face.load(world / "chmm", test_warps="1.1").speaker()
    speaker, wav = (
        face.load(world / "chmm").speaker(),
        next(iter(read_table(world / "data" / "wav.scp").values())),
    )
    with pytest.raises(DataError, match="with test_warps= nothing is learned of a speaker"):
        face.load(world / "chmm", test_warps="1.1").recognize(wav, speaker=speaker)
