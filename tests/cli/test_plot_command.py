"""asrkit plot: what is drawn is what the model holds and does; what there is not is refused, and what there is told."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from oracle import all_paths
from synthetic import RATE_HZ, word_samples, write_words

from asrkit.errors import DataError, SettingsError
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.features.spectrogram import line_power_db
from asrkit.io.archive import read_matrix
from asrkit.io.features import read_features
from asrkit.io.files import read_table
from asrkit.io.model_file import read_model
from asrkit.models.base import Block
from asrkit.workflows import plot_sounds, plot_words
from asrkit.workflows.plot import PlotConfig, kinds_of, plot

SMALL = {
    "gmm": ["--num-gauss=3", "--num-starts=1"],
    "dhmm": ["--num-states=4"],
    "chmm": ["--num-states=4", "--num-gauss=2"],
    "schmm": ["--num-states=3", "--num-gauss=4"],
    "dtw": ["--num-frames=8"],
}
ABLE = {
    "gmm": ["gmm", "features"],
    "dhmm": ["codebook", "hmm", "alignment", "features", "trellis"],
    "chmm": ["gmm", "hmm", "alignment", "features", "trellis"],
    "schmm": ["gmm", "hmm", "alignment", "features", "trellis"],
    "dtw": ["alignment", "features"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", words=("one", "two"), takes=range(4))
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", *MFCC)
    asrkit("train-codebook", top / "data", top / "dhmm", "--codebook-size=8")
    for family, options in SMALL.items():
        asrkit(
            "train",
            top / "data",
            top / family,
            "--family",
            family,
            "--calibrate=false",
            "--max-iters=2",
            *options,
        )
    soundfile.write(top / "new.wav", word_samples("two", np.random.default_rng(9), pad_s=0.4), RATE_HZ)
    return top


@pytest.fixture
def told(monkeypatch):
    """What the drawing functions are told, instead of a picture: a list of (name, arguments by position, by name)."""
    calls = []
    drawing = {
        plot_words: ("plot_cells", "plot_gaussians", "plot_chain"),
        plot_sounds: ("plot_alignment", "plot_trellis", "plot_front_end"),
    }
    for module, names in drawing.items():
        for name in names:
            monkeypatch.setattr(module, name, lambda *a, name=name, **k: calls.append((name, a, k)))
    return calls


def words_of(world, kind, family):
    """What the command needs beside the kind."""
    return {
        "codebook": [world / family, "--data", world / "data"],
        "gmm": [world / family, "--word=two", "--data", world / "data"],
        "hmm": [world / family, "--word=two"],
        "alignment": [world / family, world / "new.wav"],
        "features": [world / "new.wav", "--like", world / family],
        "trellis": [world / family, world / "new.wav", "--word=two"],
    }[kind]


@pytest.mark.parametrize("family", SMALL)
def test_what_there_is_is_drawn_and_all_else_refused_with_what_there_is(
    world, told, family, tmp_path, capsys
):
    able = ABLE[family]
    assert kinds_of(read_model(world / family)) == able
    for kind in ("codebook", "gmm", "hmm", "alignment", "features", "trellis"):
        out = tmp_path / f"{kind}.png"
        asrkit("plot", kind, *words_of(world, kind, family), "-o", out, status=int(kind not in able))
        err = capsys.readouterr().err
        if kind in able:
            assert out.exists() and len(told) == 1
        else:
            line = err.splitlines()[-1]
            assert (
                line.endswith(f"no {kind} to plot: of a {family} there is {', '.join(able)}")
                and not out.exists()
            )
        told.clear()


@pytest.mark.parametrize(
    "kind, family",
    [
        ("codebook", "dhmm"),
        ("gmm", "chmm"),
        ("hmm", "dhmm"),
        ("alignment", "dtw"),
        ("features", "gmm"),
        ("trellis", "chmm"),
    ],
)
def test_pictures_are_pictures(world, kind, family, tmp_path, capsys):
    out = tmp_path / "new" / "picture.png"
    asrkit("plot", kind, *words_of(world, kind, family), "--out", out)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.splitlines()[-1] == f"picture in {out}"


def test_python_gives_what_the_command_does(world, tmp_path):
    asrkit("plot", "hmm", world / "chmm", "--word=one", "-o", tmp_path / "command.svg")
    plotted = plot("hmm", world / "chmm", out=tmp_path / "python.svg", config=PlotConfig(word="one"))
    assert plotted.out.read_bytes() == (tmp_path / "command.svg").read_bytes()
    assert plotted.said.startswith("word one (chmm): 4 states, ")


def test_the_trellis_is_that_of_all_paths(world, told, tmp_path):
    """Of an utterance cut to a few frames, brute force goes through all state sequences."""
    data = tmp_path / "data"
    shutil.copytree(world / "data", data)
    features = read_features(data, frontend=read_model(world / "chmm").frontend)
    utt = next(iter(features.data.feats))
    model = read_model(world / "chmm").models["two"]
    plot(
        "trellis",
        world / "chmm",
        out=tmp_path / "x.png",
        config=PlotConfig(data=str(data), utt=utt, word="two"),
    )
    ((_, (delta, best, _), named),) = told
    log_obs = model.emission.log_likelihood(features.read(utt))
    frames = 6
    arcs = model.log_start, model.log_trans, np.zeros(4)
    scores = all_paths(log_obs[:frames], *arcs)
    for j in range(4):
        ways = [score for path, score in scores.items() if path[-1] == j]
        assert (
            delta[frames - 1, j] == pytest.approx(max(ways)) or max(ways) == delta[frames - 1, j] == -np.inf
        )
    log_like, states = model.align(Block.from_items([(utt, features.read(utt))]))
    np.testing.assert_array_equal(best, states)
    assert named["score"] == pytest.approx(log_like[0])
    np.testing.assert_allclose(named["start"], np.exp(model.log_start))
    np.testing.assert_allclose(named["edges_s"], 0.01 * np.arange(len(log_obs) + 1))


def test_the_alignment_is_that_of_align_and_numbered_from_1(world, told, tmp_path):
    asrkit("align", world / "chmm", world / "data", tmp_path / "ali")
    table = read_table(tmp_path / "ali" / "ali.scp")
    utt = list(table)[-1]
    asrkit(
        "plot", "alignment", world / "chmm", "--data", world / "data", "--utt", utt, "-o", tmp_path / "x.png"
    )
    ((_, (power_db, freq_hz, shift_s, states, word, added, *_), _),) = told
    np.testing.assert_array_equal(states, read_ints(tmp_path / "ali", table[utt]) + 1)
    assert word == read_table(world / "data" / "text")[utt] and shift_s == 0.01
    assert power_db.shape == (len(freq_hz), len(states))
    model = read_model(world / "chmm").models[word]
    feats = read_features(world / "data", frontend=read_model(world / "chmm").frontend).read(utt)
    assert added.sum() == pytest.approx(model.align(Block.from_items([(utt, feats)]))[0][0])


def read_ints(folder, spec):
    return np.asarray(read_matrix(spec if spec.startswith("/") else str(folder / spec))).ravel()


def test_a_recording_is_drawn_as_it_is_heard(world, told, tmp_path, capsys):
    asrkit("recognize", "--json=true", world / "chmm", world / "new.wav")
    heard = json.loads(capsys.readouterr().out)
    asrkit("plot", "alignment", world / "chmm", world / "new.wav", "-o", tmp_path / "x.png")
    ((_, arguments, _),) = told
    assert arguments[4] == heard["word"]
    assert arguments[5].sum() == pytest.approx(heard["log_likelihood"], abs=0.05)
    asrkit("plot", "alignment", world / "chmm", world / "new.wav", "--word=one", "-o", tmp_path / "x.png")
    assert told[-1][1][4] == "one"


def test_gaussians_are_the_marginals_and_frames_belong_to_the_likeliest(world, told, tmp_path):
    from scipy.stats import multivariate_normal

    exp, data = world / "gmm", world / "data"
    asrkit("plot", "gmm", exp, "--word=one", "--dims=c3,14", "--data", data, "-o", tmp_path / "x.png")
    ((_, (weights, means, covariances, _), named),) = told
    own = read_model(exp).models["one"].emission
    np.testing.assert_allclose(weights, np.exp(own.log_weights[0]))
    np.testing.assert_array_equal(means, own.means[0][:, [3, 14]])
    np.testing.assert_array_equal(covariances, own.covariances[0][:, [3, 14]][:, :, [3, 14]])
    assert named["names"][0].startswith("c3") and named["names"][1] == "Δc1"
    features = read_features(data, frontend=read_model(exp).frontend)
    x = np.concatenate([feats for utt, feats in features if features.data.text[utt] == "one"])
    np.testing.assert_array_equal(named["points"], x[:, [3, 14]])
    joint = [
        np.log(w) + multivariate_normal(m, c).logpdf(x)
        for w, m, c in zip(weights, own.means[0], own.covariances[0])
    ]
    np.testing.assert_array_equal(named["owners"], np.argmax(joint, axis=0))


def test_gaussians_of_states_are_coloured_by_the_best_path(world, told, tmp_path):
    asrkit("plot", "gmm", world / "chmm", "--word=one", "--data", world / "data", "-o", tmp_path / "x.png")
    ((_, (weights, *_), named),) = told
    model = read_model(world / "chmm").models["one"]
    assert named["groups"].tolist() == np.repeat(np.arange(4), model.components).tolist()
    features = read_features(world / "data", frontend=read_model(world / "chmm").frontend)
    items = [(utt, feats) for utt, feats in features if features.data.text[utt] == "one"]
    np.testing.assert_array_equal(named["owners"], model.align(Block.from_items(items))[1])


def test_cells_are_on_the_scale_of_the_distances(world, told, tmp_path):
    asrkit(
        "plot",
        "codebook",
        world / "dhmm",
        "--stream=2",
        "--dims=Δc1,0",
        "--data",
        world / "data",
        "-o",
        tmp_path / "x.png",
    )
    ((_, (vectors, _), named),) = told
    vocabulary = read_model(world / "dhmm")
    book = vocabulary.codebook
    np.testing.assert_array_equal(vectors, book.vectors[8:16][:, [1, 0]])
    assert named["names"] == ("Δc1 (in standard deviations)", "Δc0 (in standard deviations)")
    features = read_features(world / "data", frontend=vocabulary.frontend)
    x = np.concatenate([feats for _, feats in features])
    np.testing.assert_allclose(named["points"], (x / book.scale)[:, [14, 13]])
    np.testing.assert_array_equal(named["owners"], book.quantize(x)[:, 1])
    shutil.copy(
        world / "dhmm" / "codebook.npz", tmp_path / "codebook.npz"
    )  # of a folder that has no model yet
    asrkit("plot", "codebook", tmp_path, "-o", tmp_path / "x.png")
    assert len(told) == 2


def test_a_directory_without_features_is_drawn_by_its_recordings(world, told, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in ("wav.scp", "text", "utt2spk"):
        shutil.copy(world / "data" / name, data / name)
    for where in (world / "data", data):
        asrkit("plot", "gmm", world / "gmm", "--word=two", "--data", where, "-o", tmp_path / "x.png")
    np.testing.assert_allclose(told[0][2]["points"], told[1][2]["points"], atol=1e-5)


def test_a_chain_shows_probabilities_means_or_what_is_likeliest(world, told, tmp_path):
    asrkit("plot", "hmm", world / "chmm", "--word=one", "--dims=c1,Δc2", "-o", tmp_path / "x.png")
    asrkit("plot", "hmm", world / "dhmm", "--word=one", "--most=2", "-o", tmp_path / "x.png")
    (_, (start, transitions, leave, _), named), (_, _, discrete) = told
    model = read_model(world / "chmm").models["one"]
    np.testing.assert_allclose(transitions, np.exp(model.log_trans))
    np.testing.assert_allclose(leave, np.exp(model.log_exit))
    weights, means = np.exp(model.emission.log_weights), model.emission.means[..., [1, 15]]
    own = (weights[..., None] * means).sum(axis=1)
    assert named["names"] == ["c1", "Δc2"] and named["means"].shape == (2, 4)
    np.testing.assert_allclose(np.corrcoef(named["means"][0], own[:, 0])[0, 1], 1)
    np.testing.assert_allclose(named["means"].mean(axis=1), 0, atol=1e-9)
    stay = 1 / (1 - np.exp(np.diagonal(model.log_trans)))
    assert [float(text.split()[0]) for text in named["durations"]] == stay.round(1).tolist()
    p = np.exp(read_model(world / "dhmm").models["one"].emission.log_probs)
    heading, table = discrete["draws"][1]
    assert "stream 2" in heading and table.shape == (4, 2, 2)
    np.testing.assert_array_equal(table[0, :, 1], np.sort(p[0, 1])[::-1][:2])
    np.testing.assert_array_equal(p[0, 1][table[0, :, 0].astype(int)], table[0, :, 1])


def test_features_are_those_of_the_model_with_the_ends_that_it_finds(world, told, tmp_path):
    wav = world / "new.wav"
    frontend = read_model(world / "chmm").frontend
    samples = soundfile.read(wav, dtype="float32")[0]
    asrkit("plot", "features", wav, "--like", world / "chmm", "-o", tmp_path / "x.png")
    asrkit("plot", "features", wav, "--endpoint=false", "-o", tmp_path / "x.png")
    (_, (sound, rate_hz, ends_s, layers, _), _), (_, (_, _, whole_s, others, _), _) = told
    np.testing.assert_array_equal(sound, samples)
    start, end = frontend.speech(samples)
    assert ends_s == (start / RATE_HZ, end / RATE_HZ) and 0.2 < ends_s[0] < 0.4
    assert whole_s == (0, len(samples) / RATE_HZ) and rate_hz == RATE_HZ
    labels = [layer.label.split()[0] for layer in layers]
    assert labels == ["spectrogram", "23", "features", "deltas", "accelerations"]
    stored = frontend.stored(samples, endpoint=False)
    np.testing.assert_allclose(layers[2].image, stored.T)
    np.testing.assert_allclose(layers[3].image, frontend.model_features([stored], [None])[0][:, 13:26].T)
    # cepstra are the cosine transform of the bands, which are in dB
    from scipy.fft import dct

    plain = MfccConfig(sample_rate_hz=RATE_HZ, use_energy=False, cepstral_lifter=0).compute(samples)
    bands = layers[1].image * np.log(10) / 10
    np.testing.assert_allclose(dct(bands, axis=0, norm="ortho")[:13].T, plain, atol=2e-3)
    assert layers[2].extent[:2] == pytest.approx((0.0075, 0.0075 + 0.01 * len(stored)))
    assert len(others) == 5


def test_the_spectrogram_is_that_of_scipy():
    from scipy.signal import stft

    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 1600)
    found = line_power_db(samples, 8000, 40, 200, 256)
    _, _, spectrum = stft(samples, 8000, window="hann", nperseg=200, noverlap=160, nfft=256, padded=False)
    expected = 10 * np.log10(4 * np.abs(spectrum) ** 2)  # scipy scales a sine's lines to half its amplitude
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected[:, : found.shape[1]], atol=1e-6)


@pytest.mark.parametrize(
    "words, status, message",
    [
        (["gmm", "gmm"], 2, "plot gmm needs --word W"),
        (["hmm", "chmm", "--word=one", "--utt=u"], 2, "--utt u is no option of plot hmm"),
        (["gmm", "gmm", "--word=ten"], 1, "no word 'ten'; it has one two"),
        (["gmm", "gmm", "--word=one", "--dims=c1,c99"], 2, "no dimension 'c99'"),
        (["gmm", "gmm", "--word=one", "--dims=c1"], 2, "not 2 different dimensions"),
        (["gmm", "gmm", "--word=one", "--dims=1,c1"], 2, "not 2 different dimensions"),
        (["codebook", "dhmm", "--stream=4"], 2, "has 3 streams"),
        (["trellis", "chmm"], 2, "needs a recording, WAV, or --data DIR with --utt U"),
        (["trellis", "chmm", "new.wav", "--utt=u", "--data=data"], 2, "needs a recording"),
        (["trellis", "chmm", "--utt=u", "--data=data"], 1, "no features of utterance 'u'"),
        (["hmm", "chmm", "new.wav", "--word=one"], 2, "takes one file"),
        (["features", "no.wav"], 1, "no.wav: cannot be read"),
        (["hmm", "data", "--word=one"], 1, "no final.npz in this folder"),
        (["picture", "chmm"], 2, "invalid choice"),
    ],
)
def test_what_does_not_go_together_is_told_in_one_line(
    world, words, status, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(world)
    out = tmp_path / "x.png"
    if "invalid choice" in message:
        with pytest.raises(SystemExit, match="2"):
            asrkit("plot", *words, "-o", out)
    elif status == 2:
        from asrkit.cli import main as cli

        try:
            assert cli.main(["plot", *words, "-o", str(out)]) == 2
        except SystemExit as stop:
            assert stop.code == 2
    else:
        asrkit("plot", *words, "-o", out, status=status)
    line = capsys.readouterr().err.splitlines()[-1]
    assert message in line and not out.exists(), line


def test_other_files_and_too_short_recordings_are_refused(world, tmp_path):
    with pytest.raises(SettingsError, match=r"none of \*.png, \*.pdf and \*.svg"):
        plot("hmm", world / "chmm", out=tmp_path / "x.txt", config=PlotConfig(word="one"))
    with pytest.raises(SettingsError, match="none of codebook, "):
        plot("picture", world / "chmm", out=tmp_path / "x.png")
    soundfile.write(tmp_path / "short.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 300), RATE_HZ)
    with pytest.raises(
        DataError, match="short.wav: 2 frames have no way through 'one', which takes 4 at the least"
    ):
        plot(
            "trellis",
            world / "chmm",
            tmp_path / "short.wav",
            out=tmp_path / "x.png",
            config=PlotConfig(word="one"),
        )
