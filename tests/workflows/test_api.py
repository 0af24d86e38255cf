"""asrkit.train, adapt, crossval, read_audio, read_data, find_speech: what the commands do, and what is refused at the door."""

import collections
import io
import json
import re
import shutil
import tempfile
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
from command import asrkit as command
from synthetic import RATE_HZ, word_samples, write_words

import asrkit
from asrkit.audio.endpoint import EndpointConfig, detect_endpoints
from asrkit.errors import AsrkitError, DataError, SettingsError
from asrkit.io.files import read_table
from asrkit.workflows.crossval import Crossvalidated

# Settings as `train` takes them, of a family each; the command has them as options.
SMALL = {
    "gmm": {"num_gauss": 2},
    "dhmm": {"num_states": 3, "codebook_size": 8},
    "chmm": {"num_states": 3, "num_gauss": 1, "cmvn": "speaker"},
    "schmm": {"num_states": 3, "num_gauss": 4, "warps": ""},
    "dtw": {"delta_order": 1},
}
GMM = {"family": "gmm", "num_gauss": 1}


def options(settings):
    return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """wavs and data: three speakers say two words three times."""
    top = tmp_path_factory.mktemp("world")
    write_words(
        top / "wavs", "{word}_{speaker}_{take}.wav", ("one", "two"), ("anna", "bert", "carl"), range(3)
    )
    command("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    command("compute-mfcc", top / "data", "--sample-frequency=8000")
    return top


@pytest.fixture(scope="module")
def recordings(world):
    """The same as a dict of word to paths, in the order of the data directory."""
    said, paths = read_table(world / "data" / "text"), read_table(world / "data" / "wav.scp")
    found = {word: [path for utt, path in paths.items() if said[utt] == word] for word in ("two", "one")}
    assert [len(own) for own in found.values()] == [9, 9]
    return found


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary files lie."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def samples(word="one", seed=0, **how):
    return word_samples(word, np.random.default_rng(seed), **how)


def arrays(vocabulary):
    """All numbers of a vocabulary."""
    own = {f"{word}/{name}": a for word, m in vocabulary.models.items() for name, a in m.to_arrays().items()}
    return own if vocabulary.codebook is None else {**own, **vocabulary.codebook.to_arrays()}


def same(a, b):
    a, b = arrays(a.vocabulary), arrays(b.vocabulary)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.bytes
def test_a_saved_model_has_the_bytes_of_the_command(world, family, tmp_path):
    settings = dict(SMALL[family])
    model = asrkit.train(world / "data", family=family, **settings)
    if "codebook_size" in settings:
        size = settings.pop("codebook_size")
        command("train-codebook", world / "data", tmp_path / "command", f"--codebook-size={size}")
    command("train", world / "data", tmp_path / "command", f"--family={family}", *options(settings))
    assert model.save(tmp_path / "python") == tmp_path / "python" / "final.npz"
    expected = (tmp_path / "command" / "final.npz").read_bytes()
    assert (tmp_path / "python" / "final.npz").read_bytes() == expected
    assert asrkit.load(tmp_path / "python").save(tmp_path / "again.npz").read_bytes() == expected
    lines = (tmp_path / "command" / "train.jsonl").read_text().splitlines()
    assert model.training.entries == [json.loads(line) for line in lines]


@pytest.mark.parametrize("family", ["chmm", "gmm", "dtw"])  # a codebook depends on the order of the words
@pytest.mark.bytes
def test_recordings_give_the_models_of_their_features(world, recordings, family):
    settings = {**SMALL[family], "cmvn": "utterance"}
    model = asrkit.train(recordings, family=family, **settings)
    same(model, asrkit.train(str(world / "data"), family=family, **settings))
    assert model.words == ("one", "two") and model.frontend.rate_hz == RATE_HZ
    assert model.frontend == asrkit.train(world / "data", family=family, **settings).frontend


@pytest.mark.bytes
def test_whatever_holds_the_samples(recordings, tmp_path):
    model = asrkit.train(recordings, **GMM)
    ways = {
        "other order of words": {word: recordings[word] for word in ("one", "two")},
        "Path": {word: list(map(Path, own)) for word, own in recordings.items()},
        "file": {
            word: [io.BytesIO(Path(path).read_bytes()) for path in own] for word, own in recordings.items()
        },
        "pair": {word: [asrkit.read_audio(path) for path in own] for word, own in recordings.items()},
        "int16": {
            word: [soundfile.read(path, dtype="int16")[0] for path in own] for word, own in recordings.items()
        },
        "float64, read only": {
            word: [np.frombuffer(soundfile.read(path)[0].tobytes()) for path in own]
            for word, own in recordings.items()
        },
        "not contiguous": {
            word: [np.repeat(soundfile.read(path)[0], 2)[::2] for path in own]
            for word, own in recordings.items()
        },
        "tuple, deque": dict(
            zip(recordings, (tuple(recordings["two"]), collections.deque(recordings["one"])))
        ),
    }
    expected = model.save(tmp_path / "expected.npz").read_bytes()
    for name, data in ways.items():
        found = asrkit.train(collections.OrderedDict(data), rate_hz=np.int64(RATE_HZ), **GMM)
        assert found.save(tmp_path / "found.npz").read_bytes() == expected, name
    found = asrkit.train(recordings, jobs=2, **GMM)
    assert found.save(tmp_path / "found.npz").read_bytes() == expected


def test_settings_of_features_and_of_numpy(recordings):
    model = asrkit.train(
        recordings, family="chmm", num_states=np.int64(3), tol=np.float32(0.5), norm_vars=np.bool_(True),
        cmvn=np.str_("utterance"), num_ceps=np.int8(5), sample_rate_hz=4000,
    )  # fmt: skip
    assert model.vocabulary.config["family"]["num_states"] == 3 and model.frontend.model_dim == 15
    assert (
        type(model.vocabulary.config["train"]["tol"]) is float and model.frontend.transform.norm_vars is True
    )
    assert model.frontend.rate_hz == 4000
    assert asrkit.train(recordings, features="fbank", num_mel_bins=7, **GMM).frontend.dim == 7


def test_the_rate_is_the_lowest_up_to_16_khz(recordings):
    low, high = (samples("one", seed) for seed in (0, 1)), [(samples("two"), 44100)] * 2
    assert asrkit.train({"one": [(own, 11025) for own in low], "two": high}, **GMM).frontend.rate_hz == 11025
    assert asrkit.train({"two": high}, **GMM).frontend.rate_hz == 16000


def test_speech_is_found_where_it_is_asked_for():
    padded = {word: [samples(word, seed, pad_s=0.4) for seed in range(5)] for word in ("one", "two")}
    config = EndpointConfig(padding_ms=20.0)
    whole, cut, tight = (
        asrkit.train(padded, rate_hz=RATE_HZ, endpoint=endpoint, warps="", **GMM)
        for endpoint in (False, True, config)
    )
    assert (whole.frontend.endpoint, cut.frontend.endpoint, tight.frontend.endpoint) == (
        None,
        EndpointConfig(),
        config,
    )
    frames = [sum(entry["frames"] for entry in m.training.last.values()) for m in (whole, cut, tight)]
    assert frames[0] > 1.5 * frames[1] > 1.5 * frames[2]


def test_the_recordings_say_whether_speech_is_looked_for(recordings):
    """In training the median does; a model of trimmed words decides for each recording, and never finds nothing."""
    padded = {word: [samples(word, seed, pad_s=0.4) for seed in range(5)] for word in ("one", "two")}
    assert asrkit.train(padded, rate_hz=RATE_HZ, **GMM).frontend.endpoint == EndpointConfig()
    padded["one"][:3] = [samples("one", seed) for seed in range(3)]
    assert asrkit.train(padded, rate_hz=RATE_HZ, **GMM).frontend.endpoint == EndpointConfig()
    model = asrkit.train(recordings, rate_hz=RATE_HZ, **GMM)
    assert model.frontend.endpoint is None
    for pad_s in (0.0, 0.1):
        sound = samples("one", pad_s=pad_s)
        np.testing.assert_array_equal(model.features(sound), model.features(sound, endpoint=False))
    sound = samples("one", pad_s=0.4)
    np.testing.assert_array_equal(model.features(sound), model.features(sound, endpoint=True))
    assert len(model.features(sound)) < len(model.features(sound, endpoint=False))
    moved = asrkit.adapt(model, {"one": [sound]}, rate_hz=RATE_HZ)
    whole = asrkit.adapt(model, {"one": [sound]}, rate_hz=RATE_HZ, endpoint=False)
    feats = model.features(sound)
    assert moved.score(feats).scores["one"] > whole.score(feats).scores["one"]


def test_where_no_speech_is_found_the_whole_recording_may_be_taken(recordings, caplog):
    def click(duration_s):
        sound = np.random.default_rng(0).normal(0, 1e-3, round(duration_s * RATE_HZ))
        sound[len(sound) // 2] = 0.9
        return sound

    trimmed = asrkit.train(recordings, rate_hz=RATE_HZ, **GMM)
    cut = asrkit.train(recordings, rate_hz=RATE_HZ, endpoint=True, **GMM)
    for model, duration_s, message in (
        (trimmed, 0.4, ""),
        (cut, 0.4, ""),
        (trimmed, 1.0, "the whole recording is taken"),
    ):
        caplog.clear()
        found = model.features(click(duration_s))
        np.testing.assert_array_equal(found, model.features(click(duration_s), endpoint=False))
        assert message in caplog.text and bool(caplog.text) == bool(message)
    for model, settings in ((cut, {}), (trimmed, {"endpoint": True})):
        with pytest.raises(DataError, match="no speech found"):
            model.features(click(1.0), **settings)


def test_what_may_be_skipped_is_counted_and_named(recordings):
    bad = {**recordings, "one": [*recordings["one"], np.zeros(4000), "missing.wav", samples()[:50]]}
    model = asrkit.train(bad, rate_hz=RATE_HZ, max_skipped=3, **GMM)
    same(model, asrkit.train(recordings, **GMM))
    assert model.training.skipped == {
        "data['one'][9]": "silent (check the microphone)",
        "data['one'][10]": "missing.wav: cannot be read: No such file or directory",
        "data['one'][11]": "0.006 s, shorter than one window",
    }
    with pytest.raises(
        DataError, match=r"read 18, skipped 3 \(data\['one'\]\[10\]: missing.wav.*max_skipped=2"
    ):
        asrkit.train(bad, rate_hz=RATE_HZ, max_skipped=2, **GMM)
    with pytest.raises(DataError, match="data: word 'one' has no utterance that can be used"):
        asrkit.train({**recordings, "one": [np.zeros(4000)]}, rate_hz=RATE_HZ, max_skipped=1, **GMM)
    with pytest.raises(
        DataError, match=r"data: no utterance has features that can be used: data\['one'\]\[0\]: sil"
    ):
        asrkit.train({"one": [np.zeros(4000)]}, rate_hz=RATE_HZ, max_skipped=1, **GMM)


@pytest.mark.bytes
def test_adapt_gives_the_bytes_of_the_command(world, tmp_path):
    command("train", world / "data", tmp_path / "exp", "--family=chmm", "--num-states=3", "--num-gauss=1")
    command("adapt", tmp_path / "exp", world / "data", tmp_path / "command", "--method=mllr-map", "--tau=2")
    moved = asrkit.adapt(tmp_path / "exp", world / "data", method="mllr-map", tau=np.float64(2))
    expected = (tmp_path / "command" / "final.npz").read_bytes()
    assert moved.save(tmp_path / "python").read_bytes() == expected
    loaded = asrkit.load(tmp_path / "exp", method="forward")
    moved = asrkit.adapt(loaded, world / "data", method="mllr-map", tau=2)
    assert moved.save(tmp_path / "python").read_bytes() == expected and moved.method == "forward"


def test_adapt_hears_as_the_training_did(recordings):
    model = asrkit.train(recordings, endpoint=True, **GMM)
    new = {"one": [samples("one", seed, pitch_hz=250, pad_s=0.4) for seed in range(3)]}
    moved = asrkit.adapt(model, new, rate_hz=RATE_HZ)
    assert moved.words == model.words and moved.frontend == model.frontend and moved.training is None
    feats = model.features(new["one"][0], RATE_HZ)
    assert moved.score(feats).scores["one"] > model.score(feats).scores["one"]
    assert moved.score(feats).scores["two"] == pytest.approx(model.score(feats).scores["two"], rel=1e-6)
    whole = asrkit.adapt(model, new, rate_hz=RATE_HZ, endpoint=False)
    assert moved.score(feats).scores["one"] > whole.score(feats).scores["one"]
    some = {**new, "three": [samples("three")]}
    same(asrkit.adapt(model, some, rate_hz=RATE_HZ, max_skipped=1), moved)
    with pytest.raises(
        DataError, match=r"data\['three'\]\[0\]: the model has no word 'three'\): more than max_sk"
    ):
        asrkit.adapt(model, some, rate_hz=RATE_HZ)


@pytest.mark.bytes
def test_crossval_is_the_command_s(world, tmp_path, temporary):
    command(
        "crossval", world / "data", tmp_path / "command", "--folds=3", "--family=gmm", "--num-gauss=1",
        "--adapt=map", "--adapt-tau=5",
    )  # fmt: skip
    settings = {**GMM, "folds": 3, "adapt": "map", "adapt_tau": 5.0}
    found = asrkit.crossval(world / "data", **settings)
    assert not list(temporary.iterdir())
    assert isinstance(found, Crossvalidated) and found.hyps == read_table(tmp_path / "command" / "hyp")
    assert found.report.num_words == 18 and len(found.folds) == 3 and found.complete
    kept = asrkit.crossval(world / "data", tmp_path / "python", **settings)
    for name in ("hyp", "scores.ark", "fold_1/final.npz"):
        assert (tmp_path / "python" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()
    dates = {path: path.stat().st_mtime_ns for path in (tmp_path / "python").glob("fold_*/final.npz")}
    again = asrkit.crossval(world / "data", str(tmp_path / "python"), also_train=[], **settings)
    assert again.hyps == kept.hyps and {path: path.stat().st_mtime_ns for path in dates} == dates


def test_crossval_by_list_and_with_more_data(world, tmp_path):
    (tmp_path / "list").write_text("anna 1\nbert 1\ncarl 2\n")
    found = asrkit.crossval(world / "data", by="list", fold_list=tmp_path / "list", **GMM)
    assert [fold["test_utts"] for fold in found.folds] == [12, 6]
    with pytest.raises(SettingsError, match="by=list and fold_list= go together"):
        asrkit.crossval(world / "data", by="list", **GMM)
    for name, kept in (("anna", "anna"), ("others", "bert|carl")):
        command("subset-data", world / "data", tmp_path / name, "--utt-regex", kept)
    more = asrkit.crossval(tmp_path / "anna", by="random", folds=2, also_train=(tmp_path / "others",), **GMM)
    assert more.report.num_words == 6 and [fold["train_utts"] for fold in more.folds] == [15, 15]


def test_read_audio(tmp_path):
    sound = np.stack([samples("one")[:2000], samples("two")[:2000]], axis=1)
    soundfile.write(tmp_path / "two.wav", sound, RATE_HZ, subtype="FLOAT")
    for channel in (0, np.int64(1)):
        found, rate_hz = asrkit.read_audio(tmp_path / "two.wav", channel=channel)
        np.testing.assert_array_equal(found, sound[:, channel])
        assert (found.dtype, rate_hz, type(rate_hz)) == (np.float32, RATE_HZ, int)
    with open(tmp_path / "two.wav", "rb") as stream:
        found, rate_hz = asrkit.read_audio(stream, 16000.0)
    assert rate_hz == 16000 and len(found) == 4000
    np.testing.assert_allclose(found[200:-200:2], sound[100:-100, 0], atol=0.05)


def test_read_data(world, make_data_dir):
    assert asrkit.read_data(world / "data").text == read_table(world / "data" / "text")
    data = asrkit.read_data(str(make_data_dir(segments=True)))
    assert data.segments["amy-yes"].recording == "amy" and data.speaker("amy-yes") == "amy"


def test_find_speech():
    sound = samples("one", pad_s=0.5)
    start_s, end_s = asrkit.find_speech(sound, RATE_HZ)
    assert (start_s, end_s) == detect_endpoints(sound, RATE_HZ) and 0.4 < start_s < 0.6
    assert asrkit.find_speech(np.round(sound * 32767).astype(np.int16), RATE_HZ) == pytest.approx(
        (start_s, end_s)
    )
    wider = asrkit.find_speech(sound, RATE_HZ, padding_ms=np.float32(100))
    assert wider == asrkit.find_speech(sound, RATE_HZ, EndpointConfig(padding_ms=100.0))
    assert wider[0] == pytest.approx(start_s - 0.025) and wider[1] == pytest.approx(end_s + 0.025)
    assert asrkit.find_speech(np.zeros(8000), RATE_HZ) is None


NAN = np.where(np.arange(4000) == 7, np.nan, 0.1)
FINE = [samples("one", seed) for seed in range(2)]


def train(data, **settings):
    return asrkit.train(data, **{**GMM, "rate_hz": RATE_HZ, **settings})


def of_directory(data, **settings):
    return asrkit.train(data, **{**GMM, **settings})


# What is done, with what, and how the refusal begins (or what it holds, after an ellipsis).
REFUSED = {
    # the data
    "None": (of_directory, [None], "data is None (NoneType), it should be a data directory, or a dict of word to"),
    "number": (of_directory, [3], "data is 3 (int), it should be"),
    "bytes": (of_directory, [b"data"], "data is b'data' (bytes)"),
    "list": (of_directory, [FINE], "data is [array("),
    "array": (of_directory, [FINE[0]], "data is array(["),
    "generator": (of_directory, [(own for own in FINE)], "data is <generator"),
    "empty path": (of_directory, [""], "data is '' (str)"),
    "NUL": (of_directory, ["a\0b"], "data is 'a\\x00b' (str)"),
    "long": (of_directory, ["a" * 5000], "data is 'aaaaaaaaaaaa...aaaaaaaaaaaaa' (str): File name too long; it should"),
    "no folder": (of_directory, ["no/such"], "no/such: no such folder (asrkit prepare-wavs makes a data directory)"),
    "a file": (of_directory, [__file__], f"{__file__}: no such folder"),
    "no data": (of_directory, [Path(__file__).parent], "…/text: no such file (lines `utterance word`"),
    "empty dict": (train, [{}], "data is {} (dict), it should hold words and their recordings"),
    "empty word": (train, [{"": FINE}], "data has the word '' (str), it should be a str without white space"),
    "two blanks": (train, [{"turn  left": FINE}], "data has the word 'turn  left' (str), it should be a str without"),
    "number for a word": (train, [{3: FINE}], "data has the word 3 (int)"),
    "bytes for a word": (train, [{b"one": FINE}], "data has the word b'one' (bytes)"),
    "NUL in a word": (train, [{"o\0ne": FINE}], "data has the word 'o\\x00ne' (str)"),
    "no UTF-8": (train, [{"\udc80": FINE}], "data has the word '\\udc80' (str)"),
    "long word": (train, [{"o" * 1001: FINE}], "…it should be a str without white space, or of words with one blank between, in UTF-8 at most 1000 bytes"),
    "no recordings": (train, [{"one": []}], "data['one'] is empty, it should hold recordings of the word"),
    "None for them": (train, [{"one": None}], "data['one'] is None (NoneType), it should be a list of recordings"),
    "one path": (train, [{"one": "a.wav"}], "data['one'] is 'a.wav' (str), it should be a list of recordings"),
    "one Path": (train, [{"one": Path("a.wav")}], "data['one'] is "),
    "one array": (train, [{"one": FINE[0]}], "data['one'] is array(["),
    "a generator": (train, [{"one": (own for own in FINE)}], "data['one'] is <generator"),
    "a dict": (train, [{"one": {1: FINE[0]}}], "data['one'] is {1: "),
    "a set": (train, [{"one": {"a.wav"}}], "data['one'] is {'a.wav'} (set)"),
    "no dimension": (train, [{"one": np.array(3.0)}], "data['one'] is array(3.) (ndarray)"),
    "numbers": (train, [{"one": [0.1, 0.2]}], "data['one'][0] is 0.1 (float), it should be a path, a binary file, a"),
    "lists": (train, [{"one": [FINE[0], [0.1, 0.2]]}], "data['one'][1] is [0.1, 0.2] (list), it should be a path"),
    "bytes in it": (train, [{"one": [b"a.wav"]}], "data['one'][0] is b'a.wav' (bytes)"),
    "rate first": (train, [{"one": [(8000, FINE[0])]}], "data['one'][0] is (8000, array(["),
    "rate of a pair": (train, [{"one": [(FINE[0], 0)]}], "the rate of data['one'][0] is 0, no rate for speech"),
    "shell": (train, [{"one": ["cat a.wav |"]}], "data['one'][0] is 'cat a.wav |' (str), a shell command"),
    "two channels": (train, [{"one": [np.zeros((9, 2))]}], "…data['one'][0]: the recording has shape (9, 2), it shoul"),
    "NaN": (train, [{"one": [NAN, *FINE]}], "…data['one'][0]: the recording holds 1 NaN or infinite values"),
    "16 bit": (train, [{"one": [FINE[0] * 32768]}], "…divide by 32768 if these are 16-bit values"),
    "int64": (train, [{"one": [np.arange(9)]}], "…the recording is an array of int64, it should be one of floats in"),
    "complex": (train, [{"one": [FINE[0] * 1j]}], "…the recording is an array of complex"),
    "objects": (train, [{"one": [np.array([1.0, None])]}], "…the recording is an array of object"),
    "masked": (train, [{"one": [np.ma.masked_array(FINE[0], FINE[0] > 0)]}], "…is a masked array"),
    "empty array": (train, [{"one": [np.zeros(0)]}], "…the recording is empty"),
    "missing": (train, [{"one": ["no.wav"]}], "…data['one'][0]: no.wav: cannot be read: No such file"),
    "no sound": (train, [{"one": [__file__]}], "…not a recording that libsndfile reads"),
    "text file": (train, [{"one": [io.StringIO("x")]}], "…the recording is a file opened as text, it should be opened"),
    "no rate": (train, [{"one": FINE}, {"rate_hz": None}], "rate_hz is None (NoneType), it should be the samples a sec"),
    **{
        f"rate {rate!r}": (train, [{"one": FINE}, {"rate_hz": rate}], "rate_hz is ")
        for rate in (0, -8000, 999, 8000.5, 1e300, np.nan, np.inf, "8000", True, [8000], 8000j)
    },
    # settings
    "misspelt": (train, [{"one": FINE}, {"num_gaus": 3}], "num_gaus=: no setting of gmm (did you mean num_gauss?)"),
    "of features": (of_directory, ["data", {"num_ceps": 3}], "num_ceps=: no setting of gmm"),
    "misspelt feature": (train, [{"one": FINE}, {"num_cep": 3}], "num_cep=: no setting of gmm (did you mean num_ceps?)"),
    "other family's": (train, [{"one": FINE}, {"num_states": 3}], "num_states=: no setting of gmm"),
    "of a codebook": (train, [{"one": FINE}, {"codebook_size": 8}], "codebook_size=: no setting of gmm"),
    "of the command": (train, [{"one": FINE}, {"nj": 2}], "nj=: no setting of gmm"),
    "bool for int": (train, [{"one": FINE}, {"num_gauss": True}], "num_gauss=True is no int"),
    "float for int": (train, [{"one": FINE}, {"num_gauss": 2.0}], "num_gauss=2.0 is no int"),
    "str for int": (train, [{"one": FINE}, {"num_gauss": "2"}], "num_gauss='2' is no int"),
    "int for bool": (train, [{"one": FINE}, {"norm_vars": 1}], "norm_vars=1 is no bool"),
    "too small": (train, [{"one": FINE}, {"num_gauss": 0}], "num_gauss=0 is less than 1"),
    "huge": (train, [{"one": FINE}, {"delta_order": 10**400}], "delta_order=a number of 1329 bits has more than 64 bits"),
    "NaN setting": (train, [{"one": FINE}, {"tol": np.nan}], "tol=nan is not a finite number"),
    "no list": (train, [{"one": FINE}, {"warps": (0.9,)}], "warps=(0.9,) is no str"),
    "family": (train, [{"one": FINE}, {"family": "GMM"}], "family='GMM' is none of chmm, dhmm, "),
    "family None": (train, [{"one": FINE}, {"family": None}], "family=None is none of "),
    "families": (train, [{"one": FINE}, {"family": ["gmm"]}], "family=['gmm'] is none of "),
    "features": (train, [{"one": FINE}, {"features": "plp"}], "features='plp' is none of fbank, mfcc"),
    "given": (train, [{"one": FINE}, {"features": "given"}], "features='given' is none of fbank, mfcc"),
    "list of features": (train, [{"one": FINE}, {"features": ["mfcc"]}], "features=['mfcc'] is none of "),
    "features, directory": (of_directory, ["data", {"features": "fbank"}], "features= goes with a dict of recordings"),
    "endpoint, directory": (of_directory, ["data", {"endpoint": True}], "endpoint= goes with a dict of recordings"),
    "rate, directory": (of_directory, ["data", {"rate_hz": 8000}], "rate_hz= goes with a dict of recordings"),
    "endpoint": (train, [{"one": FINE}, {"endpoint": "yes"}], "endpoint='yes' is neither a bool nor an EndpointConfig"),
    "endpoint 1": (train, [{"one": FINE}, {"endpoint": 1}], "endpoint=1 is neither"),
    "its class": (train, [{"one": FINE}, {"endpoint": EndpointConfig}], "endpoint=<class"),
    "jobs": (train, [{"one": FINE}, {"jobs": 0}], "jobs=0 is less than 1"),
    "jobs None": (train, [{"one": FINE}, {"jobs": None}], "jobs=None is no int"),
    "skipped": (train, [{"one": FINE}, {"max_skipped": -1}], "max_skipped=-1 is less than 0"),
    "skipped, bool": (train, [{"one": FINE}, {"max_skipped": True}], "max_skipped=True is no int"),
    "pipes": (train, [{"one": FINE}, {"allow_pipes": "yes"}], "allow_pipes='yes' is no bool"),
    "bins": (train, [{"one": FINE}, {"num_ceps": 99}], "num_ceps=99 must be from 1 to num_mel_bins=23"),
    # the others
    "adapt None": (asrkit.adapt, [None, {"one": FINE}], "model is None (NoneType), it should be a Recognizer, or a mod"),
    "adapt nothing": (asrkit.adapt, ["no/such", {"one": FINE}], "no/such: no such file or folder"),
    "crossval dict": (asrkit.crossval, [{"one": FINE}], "data is {'one': "),
    "crossval into": (asrkit.crossval, ["data", 3], "exp is 3 (int), it should be a folder"),
    "folds": (asrkit.crossval, ["data", None, {"folds": True}], "folds=True is no int"),
    "by": (asrkit.crossval, ["data", None, {"by": "word"}], "by=word is none of speaker, random, list"),
    "adaptation": (asrkit.crossval, ["data", None, {"adapt": None}], "adapt=None is no str"),
    "its setting": (asrkit.crossval, ["data", None, {"adapt_tua": 1}], "adapt_tua=: no setting of chmm (did you mean ada"),
    "more data": (asrkit.crossval, ["data", None, {"also_train": "data"}], "also_train is 'data' (str), it should be a l"),
    "more None": (asrkit.crossval, ["data", None, {"also_train": None}], "also_train is None (NoneType)"),
    "more numbers": (asrkit.crossval, ["data", None, {"also_train": [3]}], "also_train is 3 (int)"),
    "fold list": (asrkit.crossval, ["data", None, {"fold_list": 3}], "fold_list is 3 (int), it should be a path"),
    "read None": (asrkit.read_audio, [None], "recording is None (NoneType), it should be a path or a binary file"),
    "read array": (asrkit.read_audio, [FINE[0]], "recording is array(["),
    "read folder": (asrkit.read_audio, ["."], ".: not a file"),
    "read channel": (asrkit.read_audio, [__file__, None, {"channel": -1}], "channel=-1 is less than 0"),
    "read at": (asrkit.read_audio, [__file__, "8000"], "rate_hz is '8000' (str)"),
    "data None": (asrkit.read_data, [None], "path is None (NoneType), it should be a data directory"),
    "data nowhere": (asrkit.read_data, ["no/such"], "no/such: no such folder"),
    "speech in a list": (asrkit.find_speech, [[0.1], RATE_HZ], "samples is [0.1] (list), it should be a numpy array"),
    "speech in NaN": (asrkit.find_speech, [NAN, RATE_HZ], "samples holds 1 NaN or infinite values"),
    "speech, no rate": (asrkit.find_speech, [FINE[0], None], "rate_hz is None"),
    "speech, setting": (asrkit.find_speech, [FINE[0], RATE_HZ, {"pad_ms": 3.0}], "unknown setting 'pad_ms'"),
    "speech, both": (asrkit.find_speech, [FINE[0], 8000, EndpointConfig(), {"low_db": 3.0}], "config= or settings (lo"),
    "speech, config": (asrkit.find_speech, [FINE[0], RATE_HZ, 3], "config=3 is no EndpointConfig"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_why(case, tmp_path):
    function, arguments, message = REFUSED[case]
    settings = arguments[-1] if len(arguments) > 1 and isinstance(arguments[-1], dict) else None
    if settings is not None and function is not asrkit.adapt:
        arguments = arguments[:-1]
    else:
        settings = {}
    with pytest.raises(AsrkitError) as refused:
        function(*arguments, **settings)
    said = str(refused.value)
    assert "\n" not in said and len(said) < 600
    assert message[1:] in said if message.startswith("…") else said.startswith(message)


def test_a_model_that_hears_nothing_cannot_be_adapted_to_recordings(tmp_path):
    rng = np.random.default_rng(0)
    feats = {f"u{i}": rng.normal(i % 2, 1, (20, 3)).astype(np.float32) for i in range(10)}
    kaldiio.save_ark(str(tmp_path / "feats.ark"), feats, scp=str(tmp_path / "feats.scp"))
    (tmp_path / "text").write_text("".join(f"u{i} {'ab'[i % 2]}\n" for i in range(10)))
    model = asrkit.train(tmp_path, **GMM)
    assert asrkit.adapt(model, tmp_path).words == ("a", "b")
    with pytest.raises(DataError, match="features that nobody said how to make"):
        asrkit.adapt(model, {"a": FINE}, rate_hz=RATE_HZ)


@pytest.mark.skipif(shutil.which("tail") is None, reason="runs tail")
def test_shell_commands_run_only_where_they_are_allowed(world, tmp_path):
    entries = read_table(world / "data" / "feats.scp")
    for utt, entry in entries.items():
        kaldiio.save_ark(str(tmp_path / f"{utt}.ark"), {utt: kaldiio.load_mat(entry)})
    for name in ("text", "utt2spk", "frontend.conf"):
        (tmp_path / name).write_bytes((world / "data" / name).read_bytes())
    # what stands behind the name of an archive's utterance: one matrix
    piped = "".join(f"{utt} tail -c +{len(utt) + 2} {tmp_path}/{utt}.ark |\n" for utt in entries)
    (tmp_path / "feats.scp").write_text(piped)
    for work, settings in ((asrkit.train, {}), (asrkit.crossval, {"folds": 3})):
        with pytest.raises(DataError, match=r"allow_pipes=true if you trust it"):
            work(tmp_path, **GMM, **settings)
        work(tmp_path, **GMM, **settings, allow_pipes=True)


def test_nothing_is_half_written(world, tmp_path, temporary, monkeypatch):
    model = asrkit.train(world / "data", **GMM)
    path = model.save(tmp_path / "exp" / "model.npz")
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(DataError, match=re.escape(f"{path}: cannot be written: No space left")):
        model.save(path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
    for fails in (
        lambda: asrkit.crossval(world / "data", folds=3, **GMM),
        lambda: asrkit.train(world / "data", **{**GMM, "family": "dhmm"}),
        lambda: asrkit.train({"one": [NAN]}, rate_hz=RATE_HZ),
    ):
        with pytest.raises(AsrkitError):
            fails()
        assert not list(temporary.iterdir())
