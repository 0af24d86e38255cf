"""Features of self-supervised models, of tiny random ones made here."""

import json
import shutil
import socket
import sys
import types
import warnings

import kaldiio
import numpy as np
import pytest
import soundfile
from command import asrkit

from asrkit.cli import main as cli
from asrkit.errors import DataError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.features.kinds.ssl import SslConfig, hidden_layer, normalise, num_frames
from asrkit.features.transform import TransformConfig
from asrkit.io.features import read_features
from asrkit.io.mixgop_file import read_mixgop
from asrkit.phones.tokens import CENTRE, cut_tokens

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        import transformers
except ImportError:
    torch = transformers = None

needs_torch = pytest.mark.skipif(
    torch is None, reason="torch or transformers is not installed (the extra asrkit[ssl])"
)

# of all models of this kind: 20 ms at 16 kHz
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
TRAIN = ["--delta-order=0", "--num-gauss=2", "--min-tokens=4", "--pooling=centre"]


def make_model(
    folder, kind="Wav2Vec2", seed=0, rate_hz=16000, normalize=True, kernels=KERNELS, strides=STRIDES, **more
):
    """A tiny random model in a folder, as a downloaded one would lie there; the model itself comes back."""
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=24,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        conv_dim=[8] * len(kernels),
        conv_kernel=list(kernels),
        conv_stride=list(strides),
        **more,
    )
    torch.manual_seed(seed)
    model = getattr(transformers, f"{kind}Model")(config).eval()
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"sampling_rate": rate_hz, "do_normalize": normalize})
    )
    return model


def hidden_states(model, samples):
    """Embedding and layers of the whole model, by hooks of this test: what hidden_states[k] is, whatever
    transformers does to the last.
    """
    seen, ends = [], []
    hooks = [model.encoder.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))]
    for layer in model.encoder.layers:
        hooks.append(
            layer.register_forward_hook(
                lambda _, args, out: seen.append(out[0] if isinstance(out, tuple) else out)
            )
        )
    with torch.inference_mode():
        ends.append(model(torch.tensor(samples, dtype=torch.float32)[None]).last_hidden_state)
    for hook in hooks:
        hook.remove()
    return [x[0].numpy() for x in seen[:-1] + ends]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    if torch is None:
        pytest.skip("torch or transformers is not installed (the extra asrkit[ssl])")
    path = tmp_path_factory.mktemp("model") / "tiny"
    make_model(path)
    return path


def write_recordings(folder, lengths, rate=16000, seed=0):
    rng = np.random.default_rng(seed)
    (folder / "wav").mkdir(parents=True)
    for utt, length in lengths.items():
        soundfile.write(
            folder / "wav" / f"{utt}.wav", rng.uniform(-0.3, 0.3, length) + 0.1, rate, subtype="FLOAT"
        )
    (folder / "wav.scp").write_text("".join(f"{utt} {folder}/wav/{utt}.wav\n" for utt in sorted(lengths)))
    (folder / "utt2spk").write_text("".join(f"{utt} {utt.split('-')[0]}\n" for utt in sorted(lengths)))
    return folder


def samples_of(data, utt):
    return soundfile.read(data / "wav" / f"{utt}.wav", dtype="float32")[0]


def feats_of(data):
    return dict(kaldiio.load_scp(str(data / "feats.scp")).items())


# samples -> frames


@pytest.mark.parametrize("kernels, strides", [(KERNELS, STRIDES), ((4,), (3,)), ((5, 3), (2, 2))])
def test_frames_of_samples(kernels, strides):
    for length in range(0, 1500, 7):
        x = np.zeros(length)
        for kernel, stride in zip(kernels, strides):
            x = (
                np.lib.stride_tricks.sliding_window_view(x, kernel)[::stride, 0]
                if len(x) >= kernel
                else x[:0]
            )
        assert num_frames(length, kernels, strides) == len(x)


def test_frames_of_the_usual_convolutions():
    assert [num_frames(n, KERNELS, STRIDES) for n in (0, 399, 400, 719, 720, 16000)] == [0, 0, 1, 1, 2, 49]


def test_normalise():
    x = np.random.default_rng(0).normal(3, 0.2, 5000).astype(np.float32)
    own = normalise(x)
    assert own.dtype == np.float32 and abs(own.mean()) < 1e-6 and abs(own.std() - 1) < 1e-5
    np.testing.assert_allclose(normalise(np.full(9, 0.5)), 0)


@needs_torch
@pytest.mark.parametrize(
    "kind, more",
    [
        ("Wav2Vec2", {}),
        ("Wav2Vec2", {"feat_extract_norm": "layer", "do_stable_layer_norm": True}),
        ("WavLM", {}),
        ("WavLM", {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}),
        ("Hubert", {"kernels": (10, 8), "strides": (5, 4)}),
    ],
)
def test_layers_are_the_models(tmp_path, kind, more):
    from asrkit.io.ssl_model import describe_ssl, load_ssl

    model = make_model(tmp_path / "m", kind, **more)
    # so that it is seen where it is applied
    model.encoder.layer_norm.weight.data += torch.linspace(0.1, 2, 16)
    model.save_pretrained(tmp_path / "m")
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, 4000).astype(np.float32)
    expected = hidden_states(model, samples)
    assert len(expected) == 4
    for layer in range(4):
        assert describe_ssl(tmp_path / "m", layer).config == describe_ssl(tmp_path / "m", layer - 4).config
        own = hidden_layer(load_ssl(tmp_path / "m", layer, "cpu"), samples, layer, False)
        assert own.dtype == np.float32 and own.shape == (
            num_frames(4000, model.config.conv_kernel, model.config.conv_stride),
            16,
        )
        np.testing.assert_allclose(own, expected[layer], rtol=1e-4, atol=1e-5)
        assert len(load_ssl(tmp_path / "m", layer, "cpu").encoder.layers) == min(layer + 1, 3)


@needs_torch
def test_number_of_frames_is_the_models(tmp_path):
    model = make_model(tmp_path / "m")
    for length in (400, 719, 720, 1039, 1040, 5000):
        samples = np.random.default_rng(length).normal(size=length).astype(np.float32)
        with torch.inference_mode():
            frames = model(torch.from_numpy(samples)[None]).last_hidden_state.shape[1]
        assert len(hidden_layer(model, samples, 3, True)) == frames == num_frames(length, KERNELS, STRIDES)
    assert hidden_layer(model, np.ones(399, dtype=np.float32), 3, True).shape == (0, 16)


@needs_torch
def test_a_model_that_makes_other_frames_is_refused():
    class Squeezing:  # SEW's hidden states have every second frame
        config = types.SimpleNamespace(
            conv_kernel=KERNELS, conv_stride=STRIDES, hidden_size=4, num_hidden_layers=1
        )
        device = "cpu"

        def __call__(self, x, output_hidden_states):
            return types.SimpleNamespace(last_hidden_state=torch.zeros(1, 7, 4), hidden_states=[])

    with pytest.raises(ValueError, match="7 frames of 4800 samples, where its convolutions make 14"):
        hidden_layer(Squeezing(), np.ones(4800, dtype=np.float32), 1, False)


# the command


@needs_torch
def test_command_writes_what_compute_mfcc_writes(tmp_path, folder, capsys):
    data = write_recordings(tmp_path / "data", {"amy-1": 8000, "amy-2": 5000, "bob-1": 12345})
    asrkit("compute-ssl", data, "--model", folder, "--layer=2")
    assert "computed 3, skipped 0" in capsys.readouterr().out
    model = transformers.AutoModel.from_pretrained(folder).eval()
    feats = feats_of(data)
    for utt in ("amy-1", "amy-2", "bob-1"):
        x = samples_of(data, utt).astype(np.float64)
        np.testing.assert_allclose(
            feats[utt], hidden_states(model, (x - x.mean()) / x.std())[2], rtol=1e-3, atol=1e-4
        )
    assert (data / "frame_shift").read_text() == "0.02\n"
    assert (data / "utt2num_frames").read_text() == "amy-1 24\namy-2 15\nbob-1 38\n"
    assert (data / "utt2dur").read_text().startswith("amy-1 0.5\n")
    assert (data / "data" / "raw_ssl_data.1.ark").exists()
    conf = (data / "frontend.conf").read_text()
    assert conf.startswith("--kind=ssl\n--ssl-model=tiny\n--ssl-weights=") and conf.endswith(
        "--layer=2\n--sample-frequency=16000\n--normalize=true\n"
    )
    features = read_features(data, transform_config=TransformConfig(delta_order=0))
    assert (
        features.frame_shift_s() == 0.02
        and features.frontend.kind.name == "ssl"
        and features.frontend.kind.layer == 2
    )


@needs_torch
def test_segments_rates_and_normalisation(tmp_path, folder):
    shutil.copytree(folder, tmp_path / "plain")
    (tmp_path / "plain" / "preprocessor_config.json").write_text(
        '{"sampling_rate": 8000, "do_normalize": false}'
    )
    data = write_recordings(tmp_path / "data", {"amy": 8000})
    (data / "segments").write_text("amy-1 amy 0.1 0.4\namy-2 amy 0.2 -1\n")
    (data / "utt2spk").write_text("amy-1 amy\namy-2 amy\n")
    model = transformers.AutoModel.from_pretrained(folder).eval()
    whole = samples_of(data, "amy")
    asrkit("compute-ssl", data, "--model", folder)
    np.testing.assert_allclose(
        feats_of(data)["amy-1"], hidden_states(model, normalise(whole[1600:6400]))[3], rtol=1e-3, atol=1e-4
    )
    asrkit("compute-ssl", data, "--model", tmp_path / "plain")
    import soxr

    low = soxr.resample(whole, 16000, 8000)
    np.testing.assert_allclose(
        feats_of(data)["amy-1"], hidden_states(model, low[800:3200])[3], rtol=1e-3, atol=1e-4
    )
    assert (data / "frame_shift").read_text() == "0.04\n"
    for name, values in (
        ("preprocessor_config.json", None),
        ("processor_config.json", {"feature_extractor": {"sampling_rate": 8000}}),
    ):
        (tmp_path / "plain" / "preprocessor_config.json").unlink(missing_ok=True)
        if values:
            (tmp_path / "plain" / name).write_text(json.dumps(values))
        asrkit("compute-ssl", data, "--model", tmp_path / "plain")
        rate_hz = values["feature_extractor"]["sampling_rate"] if values else 16000
        assert f"--sample-frequency={rate_hz}\n--normalize=true\n" in (data / "frontend.conf").read_text()


@needs_torch
@pytest.mark.parametrize("more", [[], ["--backend=dask"]], ids=["processes", "dask"])
def test_number_of_jobs_changes_no_byte(tmp_path, folder, more):
    if more:
        pytest.importorskip("distributed", reason="needs distributed (pip install -e '.[test]')")
    lengths = {f"amy-{i:02d}": 2000 + 371 * i for i in range(10)}
    one, two = (write_recordings(tmp_path / name / "data", lengths) for name in ("one", "two"))
    asrkit("compute-ssl", one, "--model", folder)
    asrkit("compute-ssl", two, "--model", folder, "--nj=2", *more)
    assert (two / "data" / "raw_ssl_data.2.ark").exists()
    first, second = feats_of(one), feats_of(two)
    assert list(first) == list(second)
    assert all(first[utt].tobytes() == second[utt].tobytes() for utt in first)
    assert all(
        (one / name).read_bytes() == (two / name).read_bytes()
        for name in ("frame_shift", "frontend.conf", "utt2num_frames", "utt2dur")
    )


@needs_torch
def test_too_short_and_too_long_are_named(tmp_path, folder, capsys):
    data = write_recordings(tmp_path / "data", {"amy-1": 8000, "amy-2": 399, "bob-1": 16000})
    asrkit("compute-ssl", data, "--model", folder, "--max-duration=0.6", status=1)
    err = capsys.readouterr().err
    assert (
        "amy-2: 0.025 s, shorter than one window" in err
        and "bob-1: 1.000 s, more than --max-duration 0.6" in err
    )
    assert not (data / "feats.scp").exists()
    asrkit("compute-ssl", data, "--model", folder, "--max-duration=0.6", "--max-skipped=2")
    assert "computed 1, skipped 2 (amy-2" in capsys.readouterr().out and list(feats_of(data)) == ["amy-1"]


@needs_torch
@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_that_is_not_there(tmp_path, folder, layer, capsys):
    data = write_recordings(tmp_path / "data", {"amy-1": 8000})
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["compute-ssl", str(data), "--model", str(folder), "--layer", str(layer)])
    assert exit_info.value.code == 2
    assert (
        f"--layer {layer}: {folder} has 3 transformer layers: 0 to 3, or -1 (the last) to -4 from the end"
        in capsys.readouterr().err
    )


class Harmful:
    """Ends the process where it is unpickled."""

    def __reduce__(self):
        return (sys.exit, ("run",))


def damage(folder, how):
    if how == "no folder":
        shutil.rmtree(folder)
    elif how == "no weights":
        (folder / "model.safetensors").unlink()
    elif how == "cut off":
        weights = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    elif how == "rate":
        (folder / "preprocessor_config.json").write_text('{"sampling_rate": "high"}')
    elif how == "json":
        (folder / "preprocessor_config.json").write_text("{")
    elif how == "other code":
        (folder / "config.json").write_text('{"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}')
        (folder / "own.py").write_text("raise SystemExit('run')\n")
    elif how == "text model":
        (folder / "config.json").write_text('{"model_type": "bert"}')
    elif how == "arrays":
        from safetensors.numpy import load_file, save_file

        arrays = load_file(folder / "model.safetensors")
        save_file(
            {name: x for name, x in arrays.items() if not name.startswith("encoder.layers.1")},
            folder / "model.safetensors",
        )
    elif how == "pickle":
        (folder / "model.safetensors").unlink()
        torch.save({"masked_spec_embed": Harmful()}, folder / "pytorch_model.bin")


@needs_torch
@pytest.mark.parametrize(
    "how, message",
    [
        ("no folder", "no folder with a model (config.json is missing"),
        ("no weights", "no weights (model.safetensors or pytorch_model.bin)"),
        ("cut off", "the weights cannot be read"),
        ("rate", "sample_rate_hz='high' is no int"),
        ("json", "preprocessor_config.json: no JSON"),
        ("other code", "config.json: "),
        ("text model", "a model of type 'bert', which does not hear samples"),
        ("arrays", "of the model's arrays, the first encoder.layers.1"),
        ("pickle", "the weights cannot be read"),
    ],
)
def test_damaged_models(tmp_path, folder, how, message, capsys):
    data = write_recordings(tmp_path / "data", {"amy-1": 8000})
    shutil.copytree(folder, tmp_path / "own")
    damage(tmp_path / "own", how)
    asrkit("compute-ssl", data, "--model", tmp_path / "own", status=1)
    err = capsys.readouterr().err
    assert message in err and "own" in err and "Traceback" not in err
    assert not (data / "feats.scp").exists()


@needs_torch
@pytest.mark.parametrize("prefix", ["", "wav2vec2."])
def test_weights_as_downloaded_ones_have_them(tmp_path, folder, prefix, monkeypatch):
    """In torch's format, under a head's prefix, with the older names of the normalised weights, and the
    config announcing half precision.
    """
    shutil.copytree(folder, tmp_path / "own")
    arrays = transformers.AutoModel.from_pretrained(folder).state_dict()
    older = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    for new, old in older.items():
        arrays = {name.replace(new, old): x for name, x in arrays.items()}
    assert sum(name.endswith(("weight_g", "weight_v")) for name in arrays) == 2
    del arrays["masked_spec_embed"]
    arrays = {prefix + name: x for name, x in arrays.items()} | (
        {"lm_head.bias": torch.zeros(3)} if prefix else {}
    )
    torch.save(arrays, tmp_path / "own" / "pytorch_model.bin")
    (tmp_path / "own" / "model.safetensors").unlink()
    config = json.loads((folder / "config.json").read_text())
    config.update(
        torch_dtype="float16",
        dtype="float16",
        architectures=["Wav2Vec2ForCTC" if prefix else "Wav2Vec2Model"],
    )
    (tmp_path / "own" / "config.json").write_text(json.dumps(config))
    data = write_recordings(tmp_path / "data", {"amy-1": 8000})
    calls = []
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, lambda *args: calls.append(args))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: calls.append(args))
    asrkit("compute-ssl", data, "--model", folder)
    first = feats_of(data)["amy-1"].copy()
    asrkit("compute-ssl", data, "--model", tmp_path / "own")
    assert np.array_equal(first, feats_of(data)["amy-1"])
    assert not calls  # nobody asked the network


@needs_torch
@pytest.mark.skipif(torch is not None and torch.cuda.is_available(), reason="there is a CUDA device")
def test_no_such_device(tmp_path, folder, capsys):
    data = write_recordings(tmp_path / "data", {"amy-1": 8000})
    asrkit("compute-ssl", data, "--model", folder, "--device=cuda", status=1)
    assert "--device cuda: torch sees no such device here" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_without_the_extra(tmp_path, name, monkeypatch, capsys):
    if torch is not None or name == "torch":
        monkeypatch.setitem(sys.modules, name, None)
    asrkit("compute-ssl", tmp_path, "--model", tmp_path, status=1)
    err = capsys.readouterr().err
    assert "need torch and transformers" in err and "pip install" in err and "asrkit[" not in err


def test_help_needs_no_torch(monkeypatch, capsys):
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["compute-ssl", "--help"])
    assert exit_info.value.code == 0 and "--layer N" in capsys.readouterr().out


# features of one kind, all the way to scores


@needs_torch
def test_from_recordings_to_scores(tmp_path, folder, capsys):
    data = write_recordings(
        tmp_path / "data", {f"{who}-{i}": 16000 for who in ("amy", "bob") for i in range(3)}
    )
    (tmp_path / "own.ctm").write_text(
        "".join(
            f"{who}-{i} 1 {0.1 * t:.2f} 0.10 {'AB'[t % 2]}\n"
            for who in ("amy", "bob")
            for i in range(3)
            for t in range(9)
        )
    )
    asrkit("compute-ssl", data, "--model", folder, "--layer=2")
    asrkit("mixgop", "import-alignment", tmp_path / "own.ctm", tmp_path / "ali", "--data", data)
    asrkit("mixgop", "train", data, tmp_path / "ali", tmp_path / "exp", *TRAIN)
    asrkit("mixgop", "score", tmp_path / "exp", data, tmp_path / "ali", tmp_path / "scores")
    rows = (tmp_path / "scores" / "phones.tsv").read_text().splitlines()
    assert len(rows) == 1 + 6 * 9 and "nan" not in rows[1].split("\t")[6]
    phone_set = read_mixgop(tmp_path / "exp")
    assert (
        phone_set.frame_shift_s == 0.02
        and phone_set.frontend.kind.ssl_model == "tiny"
        and phone_set.frontend.kind.layer == 2
    )
    shutil.copytree(folder, tmp_path / "renamed")  # the same weights under another name are the same model
    make_model(tmp_path / "other", seed=1)
    score = ("mixgop", "score", tmp_path / "exp", data, tmp_path / "ali", tmp_path / "scores")
    asrkit("compute-ssl", data, "--model", tmp_path / "renamed", "--layer=2")
    asrkit(*score)
    for words, message in (
        (
            ["compute-ssl", data, "--model", folder, "--layer=1"],
            "layer is 1, the model's is 2 (asrkit compute-ssl",
        ),
        (
            ["compute-ssl", data, "--model", tmp_path / "other", "--layer=2"],
            "ssl_model is other, the model's is tiny, ssl_weights is ",
        ),
        (["compute-mfcc", data], "these are MFCC, the model's are a self-supervised model's"),
    ):
        asrkit(*words)
        capsys.readouterr()
        asrkit(*score, status=1)
        assert message in capsys.readouterr().err
    (data / "frontend.conf").unlink()
    asrkit(*score, status=1)
    assert "how the model's were made is known, how these were is not" in capsys.readouterr().err


def test_kinds_of_features_are_told_apart():
    one = FrontEnd(16, SslConfig("a", "12ab", 3), TransformConfig())
    assert FrontEnd.from_dict(one.to_dict()) == one
    assert one.difference(16, SslConfig("b", "12ab", 3)) is None
    assert one.difference(16, SslConfig("a", "12ab", 2)) == "layer is 2, the model's is 3"
    assert (
        one.difference(16, SslConfig("a", "12ab", 3, normalize=False))
        == "normalize is False, the model's is True"
    )
    assert one.difference(8, SslConfig("a", "12ab", 3)) == "dimension is 8, the model's is 16"
    assert one.difference(16, MfccConfig()) == "these are MFCC, the model's are a self-supervised model's"
    assert (
        FrontEnd(13, MfccConfig(), TransformConfig()).difference(13, one.kind)
        == "these are a self-supervised model's, the model's are MFCC"
    )
    assert one.difference(16, GivenFeatures()).startswith(
        "how the model's were made is known, how these were is not"
    )


def test_frontend_conf_says_which_kind(tmp_path):
    kaldiio.save_ark(
        str(tmp_path / "f.ark"), {"a": np.ones((3, 4), dtype=np.float32)}, scp=str(tmp_path / "feats.scp")
    )
    for text, kind in (
        ("", "mfcc"),
        ("--num-ceps=4\n", "mfcc"),
        ("--ssl-model=x\n--ssl-weights=1\n--layer=1\n", "ssl"),
        ("--kind=fbank\n--num-mel-bins=4\n", "fbank"),
        ("--kind=mfcc\n", "mfcc"),
    ):
        (tmp_path / "frontend.conf").write_text(text)
        frontend = read_features(tmp_path, transform_config=TransformConfig()).frontend
        assert frontend.kind.name == kind
    for text in (
        "--ssl-model=x\n--num-ceps=4\n",
        "layer 3\n",
        "--kind=plp\n",
        "--kind=fbank\n--num-ceps=4\n",
    ):
        (tmp_path / "frontend.conf").write_text(text)
        with pytest.raises(DataError, match="frontend.conf"):
            read_features(tmp_path, transform_config=TransformConfig())


def test_centre_frame_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    frames, rate, hop = 500, 16000, 320
    start_s = rng.uniform(0, frames * hop / rate, 20000)
    end_s = start_s + rng.uniform(0.005, 0.8, 20000)
    place = rate * (start_s + end_s) / 2 / hop
    away = np.abs(place - np.round(place)) > 1e-4
    start_s, end_s = start_s[away], end_s[away]
    theirs = [min(int(rate * (start + end) / 2) // hop, frames - 1) for start, end in zip(start_s, end_s)]
    feats = np.arange(frames, dtype=np.float64)[:, None]
    own = cut_tokens(feats, np.zeros(len(start_s), dtype=int), start_s, end_s, hop / rate, CENTRE)
    assert len(theirs) > 19000 and max(theirs) == frames - 1
    assert own.obs[:, 0].tolist() == theirs
