"""Log-mel filterbank energies: equal to those of Kaldi's own code, warped as a shorter vocal tract would, and good for every
command.
"""

import dataclasses
import re

import kaldi_native_fbank as knf
import numpy as np
import pytest
from command import asrkit
from synthetic import write_words
from test_frontend import CHOICES, KALDIS_NAMES, SIGNALS, sound
from test_warp import vowel

from asrkit.errors import SettingsError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.fbank import FbankConfig
from asrkit.features.kinds.mfcc import MfccConfig, compute_mfcc
from asrkit.features.mel import BLOCK
from asrkit.features.transform import compute_deltas
from asrkit.features.warp import warp_feats
from asrkit.io.archive import read_scp
from asrkit.io.features import read_kind
from asrkit.io.files import read_table
from asrkit.io.model_file import read_model

OPTIONS = [
    {}, {"sample_rate_hz": 8000}, {"use_energy": True}, {"use_energy": True, "raw_energy": False},
    {"use_energy": True, "energy_floor": 1e9}, {"use_energy": True, "htk_compat": True}, {"use_power": False},
    {"use_log_fbank": False}, {"use_log_fbank": False, "use_power": False},
    {"use_log_fbank": False, "use_energy": True}, {"num_mel_bins": 40}, {"window_type": "hamming"}, {"window_type": "rectangular"},
    {"low_hz": 100.0, "high_hz": 3400.0}, {"high_hz": -500.0}, {"frame_length_ms": 32.0, "frame_shift_ms": 16.0},
    {"round_to_power_of_two": False}, {"snip_edges": False}, {"preemphasis": 0.5, "remove_dc_offset": False},
]  # fmt: skip


def kaldi_fbank(samples, settings):
    """Kaldi's own code, on the int16 scale."""
    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    for name, value in settings.items():
        name = KALDIS_NAMES.get(name, name)
        owner = next(o for o in (options.frame_opts, options.mel_opts, options) if hasattr(o, name))
        setattr(owner, name, value)
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(options.frame_opts.samp_freq, (samples.astype(np.float64) * 32768).tolist())
    fbank.input_finished()
    frames = [fbank.get_frame(i) for i in range(fbank.num_frames_ready)]
    return np.array(frames).reshape(-1, options.mel_opts.num_bins + options.use_energy)


def assert_kaldis(samples, settings, atol):
    """Logarithms within `atol`, what is none within as large a part of itself; returns the largest difference."""
    feats, expected = FbankConfig(**settings).compute(samples), kaldi_fbank(samples, settings)
    assert feats.dtype == np.float32 and feats.shape == expected.shape, settings
    if settings.get("use_log_fbank", True):
        difference = np.abs(feats - expected)
    else:
        difference = np.abs(feats - expected) / np.maximum(
            np.abs(expected), 1e-5 * np.abs(expected).max(initial=1)
        )
    assert difference.max(initial=0) < atol, settings
    return difference.max(initial=0)


@pytest.mark.parametrize("settings", OPTIONS, ids=str)
def test_filters_are_kaldis(settings):
    assert_kaldis(sound(), settings, 3e-4)
    if settings:
        expected, default = kaldi_fbank(sound(), settings), kaldi_fbank(sound(), {})
        # the option does something
        assert expected.shape != default.shape or np.abs(expected - default).max() > 0.05


MORE = {
    **{name: values for name, values in CHOICES.items() if name not in ("num_ceps", "cepstral_lifter")},
    "use_power": (True, False), "use_log_fbank": (True, False),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_filters_are_kaldis_whatever_the_options(seed):
    rng, differences = np.random.default_rng(seed), []
    while len(differences) < 20:
        settings = {name: values[rng.integers(len(values))] for name, values in MORE.items()}
        try:
            FbankConfig(**settings)
        except SettingsError:
            continue
        samples = sound(rng.integers(1, 12000), seed)
        differences.append(assert_kaldis(samples, settings, 1e-3))
    assert np.median(differences) < 1e-4


@pytest.mark.parametrize("settings", [{}, {"use_energy": True}, {"use_power": False}], ids=str)
@pytest.mark.parametrize("signal", SIGNALS.values(), ids=SIGNALS)
def test_filters_of_odd_signals(signal, settings):
    samples = (signal(np.arange(8000) / 16000, np.random.default_rng(0)) / 32768).astype(np.float32)
    assert_kaldis(samples, settings, 1e-3)


@pytest.mark.parametrize("snip_edges", [True, False])
@pytest.mark.parametrize("settings", [{}, {"use_energy": True}, {"subtract_mean": True}], ids=str)
def test_frames_of_short_recordings(snip_edges, settings):
    config = FbankConfig(snip_edges=snip_edges, **settings)
    assert config.dim == (24 if settings.get("use_energy") else 23)
    for num_samples in (0, 1, 79, 80, 81, 160, 240, 399, 400, 401, 559, 560, 561):
        feats = config.compute(sound(num_samples))
        assert feats.dtype == np.float32 and np.isfinite(feats).all()
        expected = len(kaldi_fbank(sound(num_samples), {"snip_edges": snip_edges})) if num_samples else 0
        assert feats.shape == (expected, config.dim)


@pytest.mark.parametrize("num_frames", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_long_recordings_are_done_in_blocks(num_frames):
    assert_kaldis(sound(400 + 160 * (num_frames - 1)), {"use_energy": True}, 1e-3)


def test_mean_and_dither():
    plain = FbankConfig().compute(sound())
    np.testing.assert_allclose(
        FbankConfig(subtract_mean=True).compute(sound()), plain - plain.mean(axis=0), atol=1e-4
    )
    noisy = FbankConfig(dither=1.0)
    np.testing.assert_array_equal(noisy.compute(sound()), noisy.compute(sound().copy()))
    assert 0 < np.abs(noisy.compute(sound()) - plain).mean() < 0.5


@pytest.mark.parametrize("htk_compat", [False, True])
def test_cepstra_are_the_cosine_transform_of_the_filters(htk_compat):
    """Two kinds that share a filterbank agree about it."""
    settings = {"use_energy": True, "htk_compat": htk_compat}
    feats = FbankConfig(**settings).compute(sound())
    cepstra = compute_mfcc(sound(), MfccConfig(**settings, num_ceps=23, cepstral_lifter=0.0))
    energy, filters = (feats[:, -1], feats[:, :-1]) if htk_compat else (feats[:, 0], feats[:, 1:])
    n, k = np.arange(23), np.arange(1, 23)[:, None]
    expected = filters @ (np.sqrt(2 / 23) * np.cos(np.pi * k * (n + 0.5) / 23)).T
    own = cepstra[:, :-1] if htk_compat else cepstra[:, 1:]
    np.testing.assert_allclose(own, expected, atol=1e-3)
    np.testing.assert_allclose(cepstra[:, -1 if htk_compat else 0], energy, atol=1e-5)


@pytest.mark.parametrize(
    ("flag", "settings"),
    [
        ("num_mel_bins=2 ", {"num_mel_bins": 2}),
        ("num_mel_bins=200", {"num_mel_bins": 200}),
        ("low_hz=4000", {"low_hz": 4000.0, "high_hz": 3000.0}),
        ("energy_floor=-1", {"energy_floor": -1.0}),
        ("use_power=1 is no bool", {"use_power": 1}),
    ],
)
def test_impossible_settings(flag, settings):
    with pytest.raises(SettingsError, match=flag):
        FbankConfig(**settings)


# warping

CONFIG = FbankConfig(sample_rate_hz=8000)
CONFIGS = [
    CONFIG,
    dataclasses.replace(CONFIG, num_mel_bins=15),
    dataclasses.replace(CONFIG, use_energy=True),
    dataclasses.replace(CONFIG, use_energy=True, htk_compat=True),
    dataclasses.replace(CONFIG, use_power=False),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_factor_one_changes_nothing(config):
    np.testing.assert_allclose(config.warp_matrix(1.0), np.eye(config.dim), rtol=0, atol=1e-9)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_filters_are_read_between_two_neighbours(config, factor):
    matrix = config.warp_matrix(factor)
    assert matrix.shape == (config.dim, config.dim) and (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    assert ((matrix > 0).sum(axis=1) <= 2).all()
    rows = slice(1, None) if config.use_energy and not config.htk_compat else slice(0, config.num_mel_bins)
    place = (matrix @ np.arange(config.dim))[rows] - (config.dim > config.num_mel_bins and rows.start == 1)
    assert (np.diff(place) >= -1e-9).all(), "the order of frequencies stays"
    moved = place - np.arange(config.num_mel_bins)
    assert (moved < 1e-9).all() if factor > 1 else (moved > -1e-9).all()
    assert np.abs(moved).max() > 0.3


@pytest.mark.parametrize("use_power", [True, False])
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_formants_move(use_power, factor):
    """A vowel whose formants are all higher by the factor is what the warped copy comes close to, and not the other way."""
    config = dataclasses.replace(CONFIG, use_power=use_power)
    formants = np.array([600.0, 1200.0, 2400.0])
    own, other = (config.compute(vowel(hz)).mean(axis=0) for hz in (formants, factor * formants))

    def distance(matrix):
        lead = matrix @ own - other
        return np.linalg.norm(lead - lead.mean())  # loudness is left out

    before = distance(np.eye(config.dim))
    assert distance(config.warp_matrix(factor)) < 0.5 * before
    assert distance(config.warp_matrix(1 / factor)) > before


def test_energy_stays_as_it_is():
    for config, place in ((CONFIGS[2], 0), (CONFIGS[3], -1)):
        matrix, energy = config.warp_matrix(1.1), np.zeros(config.dim)
        energy[place] = 1.0
        np.testing.assert_array_equal(matrix[place], energy)
        np.testing.assert_array_equal(matrix[:, place], energy)


def test_deltas_of_the_warped_are_the_warped_deltas():
    feats, matrix = CONFIG.compute(sound()), CONFIG.warp_matrix(1.1)
    np.testing.assert_allclose(
        warp_feats(compute_deltas(feats), matrix), compute_deltas(warp_feats(feats, matrix)), atol=1e-4
    )


def test_what_is_no_logarithm_is_not_warped():
    """A copy is louder or softer by a factor, which is nothing to add to energies."""
    assert dataclasses.replace(CONFIG, use_log_fbank=False).warp_matrix(1.1) is None


# commands

RATE = "--sample-frequency=8000"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two speakers of three words: fbank/ and mfcc/ with train/ and test/ data directories, and a model of each."""
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", takes=range(4), pad_s=0.2)
    asrkit("prepare-wavs", top / "wavs", top / "all", "--pattern", "{word}_{speaker}_{index}")
    asrkit("detect-endpoints", top / "all")
    for kind in ("fbank", "mfcc"):
        asrkit("subset-data", top / "all", top / kind / "test", "--utt-regex=-0$")
        asrkit("subset-data", top / "all", top / kind / "train", "--utt-regex=-0$", "--exclude", "true")
        for part in ("train", "test"):
            asrkit(f"compute-{kind}", top / kind / part, RATE)
        asrkit(
            "train", top / kind / "train", top / f"exp_{kind}", "--family=chmm", "--num-states=4", "--num-gauss=1",
            "--max-iters=5", "--cmvn=utterance",
        )  # fmt: skip
    return top


def test_compute_writes_what_the_kind_computes(world):
    data = world / "fbank" / "train"
    assert (data / "frontend.conf").read_text().startswith("--kind=fbank\n")
    assert read_kind(data / "frontend.conf") == CONFIG
    assert (data / "frame_shift").read_text() == "0.01\n"
    scp = read_table(data / "feats.scp")
    assert len(scp) == 18 and all("raw_fbank_train.1.ark" in spec for spec in scp.values())
    for utt, feats in read_scp(scp):
        assert feats.shape == (int(read_table(data / "utt2num_frames")[utt]), 23)


def test_train_takes_warped_copies(world):
    vocabulary = read_model(world / "exp_fbank")
    assert vocabulary.config["warps"] == "0.88,1.12"
    assert (
        vocabulary.frontend.kind == CONFIG
        and vocabulary.frontend.dim == 23
        and vocabulary.frontend.model_dim == 69
    )
    assert vocabulary.frontend.endpoint is not None


def test_decode(world, capsys):
    asrkit("decode", world / "exp_fbank", world / "fbank" / "test", world / "decode")
    assert "decoded 6, skipped 0" in capsys.readouterr().out
    hyps, words = read_table(world / "decode" / "hyp"), read_table(world / "fbank" / "test" / "text")
    assert sum(hyps[utt] != word for utt, word in words.items()) <= 1


def test_recognize_hears_what_decode_decodes(world, capsys):
    asrkit("decode", world / "exp_fbank", world / "fbank" / "test", world / "decode")
    hyps = read_table(world / "decode" / "hyp")
    capsys.readouterr()
    wavs = sorted((world / "wavs").glob("*_0.wav"))
    asrkit("recognize", world / "exp_fbank", *wavs)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(wavs) == 6
    for line in lines:
        path, word, *_ = line.split()
        said, speaker, _ = path.rpartition("/")[2].split("_")
        assert word == hyps[f"{speaker}-{said}-0"]


def test_info(world, capsys):
    asrkit("info", world / "exp_fbank")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("features: "))
    assert line.startswith("features: dimension 23, log-mel filterbank: sample_rate_hz 8000, ")
    assert line.endswith("; cmvn utterance, deltas of order 2")


@pytest.mark.parametrize("method", ["map", "mllr"])
def test_adapt(world, tmp_path, method, capsys):
    asrkit("adapt", world / "exp_fbank", world / "fbank" / "test", tmp_path, "--method", method)
    assert "adapted 3 of 3 words, to 6, skipped 0" in capsys.readouterr().out
    assert read_model(tmp_path).frontend == read_model(world / "exp_fbank").frontend


def test_combine_data(world, tmp_path, capsys):
    parts = [world / "fbank" / part for part in ("train", "test")]
    asrkit("combine-data", tmp_path / "both", *parts)
    assert (tmp_path / "both" / "frontend.conf").read_bytes() == (parts[0] / "frontend.conf").read_bytes()
    asrkit("decode", world / "exp_fbank", tmp_path / "both", tmp_path / "decode")
    assert "decoded 24, skipped 0" in capsys.readouterr().out


def test_combine_data_of_two_kinds(world, tmp_path, capsys):
    status = 1
    asrkit(
        "combine-data", tmp_path / "both", world / "fbank" / "train", world / "mfcc" / "test", status=status
    )
    assert re.search("frontend.conf", capsys.readouterr().err)


OTHERS = [
    ("fbank", "mfcc", "these are MFCC, the model's are log-mel filterbank", "compute-fbank"),
    ("mfcc", "fbank", "these are log-mel filterbank, the model's are MFCC", "compute-mfcc"),
]


@pytest.mark.parametrize(("model", "data", "says", "command"), OTHERS)
@pytest.mark.parametrize("name", ["decode", "align", "adapt"])
def test_features_of_another_kind_are_refused(world, tmp_path, capsys, name, model, data, says, command):
    asrkit(name, world / f"exp_{model}", world / data / "test", tmp_path / "out", status=1)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error:" in line)
    assert says in line and f"(asrkit {command} DIR --like EXP)" in line
    assert not (tmp_path / "out").exists()


def test_other_settings_are_refused(world, tmp_path, capsys):
    asrkit("subset-data", world / "all", tmp_path / "data", "--utt-regex=-0$")
    asrkit("compute-fbank", tmp_path / "data", RATE, "--use-power=false")
    asrkit("decode", world / "exp_fbank", tmp_path / "data", tmp_path / "out", status=1)
    assert "use_power is False, the model's is True" in capsys.readouterr().err


def test_a_frontend_conf_is_a_config_of_its_own_command_alone(world, tmp_path, capsys):
    conf = world / "fbank" / "train" / "frontend.conf"
    asrkit("subset-data", world / "all", tmp_path / "data", "--utt-regex=-0$")
    asrkit("compute-fbank", tmp_path / "data", "--config", conf)
    assert (tmp_path / "data" / "frontend.conf").read_bytes() == conf.read_bytes()
    (tmp_path / "kind.conf").write_text("--kind=fbank\n")
    for path, says in (
        (conf, "frontend.conf:21: unknown option --use-log-fbank"),
        (tmp_path / "kind.conf", "--kind: 'fbank' is none of mfcc"),
    ):
        with pytest.raises(SystemExit, match="2"):
            asrkit("compute-mfcc", tmp_path / "data", "--config", path)
        assert says in capsys.readouterr().err


def test_without_logarithms_there_are_no_warped_copies(world, tmp_path, capsys):
    asrkit("subset-data", world / "all", tmp_path / "data", "--utt-regex=-0$")
    asrkit("compute-fbank", tmp_path / "data", RATE, "--use-log-fbank=false")
    capsys.readouterr()
    asrkit("train", tmp_path / "data", tmp_path / "exp", "--family=gmm", "--num-gauss=1", "--max-iters=2")
    assert (
        "no warped copies to train on: log-mel filterbank features can't be warped" in capsys.readouterr().err
    )
    assert read_model(tmp_path / "exp").config["warps"] == ""


def test_from_python():
    frontend = FrontEnd.of("fbank", sample_rate_hz=8000, num_mel_bins=10, delta_order=1)
    assert frontend.dim == 10 and frontend.model_dim == 20
    assert frontend.features(vowel([600, 1200]), endpoint=False).shape == (48, 20)
