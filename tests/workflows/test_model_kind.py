"""Features like a model's: compute-KIND --like EXP takes its front end, for every kind that has a command."""

import pytest
from command import asrkit
from synthetic import write_words

from asrkit.errors import DataError, SettingsError
from asrkit.features.kind import load, names
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.io.features import KIND_RECORD, read_kind
from asrkit.phones.mixgop import MixgopConfig
from asrkit.workflows.compute_features import compute_features
from asrkit.workflows.mixgop_train import mixgop_train
from asrkit.workflows.model_kind import model_kind

KINDS = [name for name in names() if load(name).command and load(name).hears]
SETTINGS = {"mfcc": ("--num-ceps=7", "--use-energy=false"), "fbank": ("--num-mel-bins=11",)}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return write_words(tmp_path_factory.mktemp("like"), "{word}/{speaker}_{take}.wav", takes=range(2))


@pytest.fixture
def data(sounds, tmp_path):
    """A function that makes a data directory of the recordings."""

    def make(name):
        asrkit("prepare-wavs", sounds, tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def trained(data, tmp_path):
    """A function that computes features by some words, and trains a model of them."""

    def train(name, *words):
        own = data(f"train_{name}")
        asrkit(f"compute-{name}", own, "--sample-frequency=8000", *words)
        exp = tmp_path / f"exp_{name}"
        asrkit("train", own, exp, "--family=gmm", "--num-gauss=1", "--max-iters=2", "--warps=")
        return exp, own

    return train


def test_every_kind_is_tried():
    assert set(SETTINGS) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_features_of_a_models_settings(data, trained, tmp_path, capsys, name):
    exp, own = trained(name, *SETTINGS[name])
    test = data("test")
    asrkit(f"compute-{name}", test)
    capsys.readouterr()
    asrkit("decode", exp, test, tmp_path / "out", status=1)
    assert f"(asrkit compute-{name} DIR --like EXP)" in capsys.readouterr().err
    for model in (exp, exp / "final.npz"):
        asrkit(f"compute-{name}", test, "--like", model)
        assert (test / KIND_RECORD).read_bytes() == (own / KIND_RECORD).read_bytes()
        asrkit("decode", exp, test, tmp_path / "out")
    asrkit(f"compute-{name}", test, f"--like={exp}", *SETTINGS[name])  # they are the model's


@pytest.mark.parametrize("name", KINDS)
def test_other_settings_beside_it_are_refused(data, trained, name, capsys):
    exp, _ = trained(name, *SETTINGS[name])
    test = data("test")
    for words in (["--sample-frequency=16000"], ["--frame-shift=5"]):  # the default, and another
        with pytest.raises(SystemExit, match="2"):
            asrkit(f"compute-{name}", test, "--like", exp, *words)
        assert f"--like {exp}: " in (err := capsys.readouterr().err) and ", the model's is " in err
    assert not (test / "feats.scp").exists()


def test_models_of_another_kind_or_none(data, trained, tmp_path, capsys):
    (mfcc, _), test = trained("mfcc"), data("test")
    asrkit("compute-fbank", test, "--like", mfcc, status=1)
    assert (
        f"error: {mfcc}: the model's features are of the kind 'mfcc'" in (err := capsys.readouterr().err)
        and "asrkit compute-mfcc makes them" in err
    )
    asrkit("compute-mfcc", test, "--like", tmp_path / "nowhere", status=1)
    assert f"{tmp_path / 'nowhere'}: no such file or folder" in capsys.readouterr().err
    (test / "x.txt").write_text("x")
    asrkit("compute-mfcc", test, "--like", test / "x.txt", status=1)
    assert "x.txt: not an asrkit file" in capsys.readouterr().err
    own = data("given")
    asrkit("compute-mfcc", own)
    (own / KIND_RECORD).unlink()
    asrkit("train", own, tmp_path / "exp", "--family=gmm", "--num-gauss=1", "--max-iters=2")
    asrkit("compute-mfcc", test, "--like", tmp_path / "exp", status=1)
    assert "of the kind 'given' (given, nobody said how they were made)" in capsys.readouterr().err
    assert not (test / "feats.scp").exists()


def test_models_of_phones_and_codebooks(data, tmp_path):
    own, test, wanted = data("own"), data("test"), MfccConfig(sample_rate_hz=8000, num_ceps=5)
    compute_features(own, wanted)
    utts = [line.split()[0] for line in (own / "feats.scp").read_text().splitlines()]
    (tmp_path / "x.ctm").write_text("".join(f"{utt} 1 0 0.2 AA\n" for utt in utts))
    config = MixgopConfig(num_gauss=1, min_tokens=2, covariance="diag")
    mixgop_train(own, tmp_path / "x.ctm", tmp_path / "mixgop", config)
    asrkit("train-codebook", own, tmp_path, "--codebook-size=2")
    for model in (tmp_path / "mixgop", tmp_path / "codebook.npz"):
        assert model_kind(model, "mfcc") == wanted
        compute_features(test, "mfcc", like=model)
        assert read_kind(test / KIND_RECORD) == wanted
        compute_features(test, wanted, like=model)
        with pytest.raises(
            SettingsError, match=rf"like={model}: num_ceps is 6, the model's is 5 \(leave such"
        ):
            compute_features(test, MfccConfig(sample_rate_hz=8000, num_ceps=6), like=model)
        with pytest.raises(DataError, match=rf"{model}: the model's features are of the kind 'mfcc'"):
            compute_features(test, "fbank", like=model)
    compute_features(test, "mfcc")
    assert read_kind(test / KIND_RECORD) == MfccConfig()
