"""asrkit.io.model_file: files of format 2 read as they did, and come out as format 3."""

import json
from pathlib import Path

import numpy as np
import pytest

import asrkit
from asrkit.audio.endpoint import EndpointConfig
from asrkit.errors import DataError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.fbank import FbankConfig
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.features.kinds.ssl import SslConfig
from asrkit.features.transform import TransformConfig, transform
from asrkit.io.mixgop_file import read_mixgop, write_mixgop
from asrkit.io.model_file import (
    read_codebook,
    read_model,
    read_npz,
    read_stats,
    write_codebook,
    write_model,
    write_stat_arrays,
)
from asrkit.models.codebook import Codebook
from asrkit.models.mixture import DiagMixture
from asrkit.phones.mixgop import MixgopConfig, PhoneModel
from asrkit.phones.phone_set import PhoneSet

# Written by `asrkit train` when it wrote format 2, then compressed: a chmm of two glides on MFCC, whose speech was looked for,
# and a dhmm on features of which nobody said how they were made.
OLD = Path(__file__).parent / "format_2"

# What the asrkit that wrote them scored: (method, file) to rows of utterances.
SCORES = {
    ("viterbi", "chmm"): [[-180.36267489361404, -254.67038252122805], [-258.67499984277184, -174.99082447214676]],
    ("forward", "chmm"): [[-179.48547955355548, -254.67038251605535], [-258.6749998375659, -174.10681741284122]],
    ("viterbi", "dhmm"): [[-32.764958491850535, -44.349915370771676], [-35.03446586940981, -34.093078711266394]],
    ("forward", "dhmm"): [[-32.494348911455965, -44.34789480486133], [-35.0344391227831, -34.091058198497265]],
}  # fmt: skip


def glide(start_hz, end_hz):
    """0.4 s between two silences, at 8 kHz."""
    hz = np.linspace(start_hz, end_hz, 3200)
    sound = np.pad(0.3 * np.sin(2 * np.pi * np.cumsum(hz) / 8000), 1600)
    return sound + 0.001 * np.sin(np.arange(len(sound)) ** 2.0)


def steps(height):
    """Stored features, (12, 2)."""
    t = np.arange(12) + 9
    return np.stack([np.sin(t) + (t > 15) * height, np.cos(t * t)], axis=1).astype(np.float32)


@pytest.mark.parametrize(("method", "name"), SCORES)
def test_a_model_of_format_2_scores_as_it_did(method, name):
    model = asrkit.load(OLD / f"{name}.npz", method)
    if name == "chmm":
        words = [glide(*hz)[1600:-1600] for hz in ((1550, 350), (350, 1550))]
        found = model.scores(words, rate_hz=8000, endpoint=False)  # how speech is found has changed since
        assert model.words == ("down", "up")
    else:
        feats = [transform(steps(height), model.frontend.transform) for height in (-2, 2)]
        found = [list(model.score(one).scores.values()) for one in feats]
        assert model.words == ("a", "b")
    np.testing.assert_allclose(found, SCORES[method, name], rtol=1e-6)


def test_front_ends_of_format_2():
    heard, given = (read_model(OLD / f"{name}.npz").frontend for name in ("chmm", "dhmm"))
    assert heard.kind == MfccConfig(
        sample_rate_hz=8000, num_ceps=2, num_mel_bins=8, use_energy=False, cepstral_lifter=0.0
    )
    assert heard.endpoint == EndpointConfig(low_db=6.0, min_range_db=10.0, padding_ms=50.0)
    assert given.kind == GivenFeatures() and given.dim == 2 and given.transform.delta_order == 1


@pytest.mark.parametrize("name", ["chmm", "dhmm"])
def test_a_model_of_format_2_comes_out_as_format_3(name, tmp_path):
    old, path = OLD / f"{name}.npz", tmp_path / "new.npz"
    assert old.stat().st_size < 6000 and stored(old)["version"] == 2
    write_model(path, read_model(old))
    assert stored(path)["version"] == 3
    assert stored(path)["frontend"].keys() == {"dim", "kind", "settings", "transform", "endpoint", "prior"}
    (before, kept), (after, arrays) = read_npz(old, "model"), read_npz(path, "model")
    assert arrays.keys() == kept.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, kept[key])
    assert {**before, "frontend": None} == {**after, "frontend": None}
    assert read_model(path).frontend == read_model(old).frontend


def stored(path):
    with np.load(path) as archive:
        return json.loads(str(archive["meta"]))


def as_format_2(path):
    """Write a file of format 3 anew as format 2 had it."""
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(str(arrays["meta"]))
    assert meta["version"] == 3
    meta["version"] = 2
    if "frontend" in meta:
        front = meta["frontend"]
        kind, settings = front.pop("kind"), front.pop("settings")
        meta["frontend"] = {
            **front,
            "mfcc": None,
            "ssl": None,
            **({} if kind == "given" else {kind: settings}),
        }
    np.savez(path, **{**arrays, "meta": np.array(json.dumps(meta))})
    return path


FRONT_ENDS = [
    FrontEnd(2, GivenFeatures(), TransformConfig(delta_order=0)),
    FrontEnd(2, SslConfig(ssl_model="tiny", layer=3), TransformConfig(delta_order=0)),
    FrontEnd.of("mfcc", num_ceps=2, delta_order=0),
]


@pytest.mark.parametrize("frontend", FRONT_ENDS, ids=lambda frontend: frontend.kind.name)
def test_every_kind_of_file_is_read_in_both_formats(frontend, tmp_path):
    book = Codebook(np.eye(2), np.ones(2))
    path = tmp_path / "file.npz"
    write_codebook(path, book, frontend, "0" * 64)
    for own in (path, as_format_2(path)):
        vectors, front = read_codebook(own)
        assert front == frontend
        np.testing.assert_array_equal(vectors.vectors, book.vectors)

    sums = {"a/b": {"occ": np.arange(3.0)}, "c": {"occ": np.ones(1)}}
    write_stat_arrays(path, sums, "1" * 64)
    for own in (path, as_format_2(path)):
        found, model_hash = read_stats(own)
        assert model_hash == "1" * 64
        np.testing.assert_equal(found, sums)

    mixture = DiagMixture.single(np.zeros(2), np.ones(2), np.full(2, 1e-3), 1)
    phones = PhoneSet(
        {"AA": PhoneModel(mixture, np.array([-2.0, -1.0]), 2)},
        {"AA": 2, "B": 1},
        MixgopConfig(covariance="diag"),
        None,
        frontend,
        0.01,
        "2" * 64,
    )
    write_mixgop(path, phones)
    for own in (path, as_format_2(path)):
        found = read_mixgop(own)
        assert found.frontend == frontend and found.counts == phones.counts and found.config == phones.config
        np.testing.assert_equal(found.models["AA"].mixture.to_arrays(), mixture.to_arrays())


def test_a_kind_that_format_2_did_not_know(tmp_path):
    frontend = FrontEnd(23, FbankConfig(), TransformConfig())
    path = tmp_path / "book.npz"
    write_codebook(path, Codebook(np.eye(69), np.ones(69)), frontend, "0" * 64)
    assert read_codebook(path)[1] == frontend


@pytest.mark.parametrize("version", [1, 5, "3", None, [3]])
def test_other_formats_are_refused(version, tmp_path):
    path = tmp_path / "new.npz"
    write_model(path, read_model(OLD / "chmm.npz"))
    spoil(path, version=version)
    with pytest.raises(DataError, match="new.npz: format version .*, this asrkit reads versions 2, 3 and 4"):
        read_model(path)


def spoil(path, **values):
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = {**json.loads(str(arrays["meta"])), **values}
    np.savez(path, **{**arrays, "meta": np.array(json.dumps(meta))})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "plp"}, "'plp' is none of fbank, "),
        ({"kind": None}, "None is none of"),
        ({"settings": {"num_cep": 2}}, r"'num_cep' \(did you mean num_ceps\?\)"),
        ({"settings": {"num_ceps": 99}}, "num_ceps=99"),
        ({"settings": None}, "."),
        ({"transform": None}, "."),
    ],
)
def test_a_front_end_that_is_none(change, message, tmp_path):
    path = tmp_path / "new.npz"
    write_model(path, read_model(OLD / "chmm.npz"))
    spoil(path, frontend={**stored(path)["frontend"], **change})
    with pytest.raises(DataError, match=f"new.npz: its content does not fit this asrkit: .*{message}"):
        read_model(path)


def test_a_front_end_without_a_kind(tmp_path):
    path = tmp_path / "new.npz"
    write_model(path, read_model(OLD / "chmm.npz"))
    front = stored(path)["frontend"]
    del front["kind"]
    spoil(path, frontend=front)
    with pytest.raises(DataError, match="'kind' is missing"):
        read_model(path)


def test_two_writings_are_the_same_bytes(tmp_path):
    for name in ("one.npz", "two.npz"):
        write_model(tmp_path / name, read_model(OLD / "dhmm.npz"))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
