"""asrkit.load, Recognizer, Hypothesis: recordings in, words out, as the command `recognize` has them."""

import copy
import io
import pickle
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import MFCC
from command import asrkit as command
from synthetic import RATE_HZ, word_samples, write_words

import asrkit
from asrkit.errors import AsrkitError, DataError, SettingsError
from asrkit.io.archive import read_scp
from asrkit.io.files import read_table

FAMILIES = {
    "gmm": ["--num-gauss=2"],
    "dhmm": ["--num-states=3"],
    "chmm": ["--num-states=3", "--num-gauss=1"],
    "schmm": ["--num-states=3", "--num-gauss=4"],
    "dtw": [],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Models of three words, trained by commands, and new.wav, which says two between pauses."""
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", takes=range(4))
    command("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    command("compute-mfcc", top / "data", *MFCC)
    for family, options in FAMILIES.items():
        command("train", top / "data", top / family, f"--family={family}", *options)
    soundfile.write(top / "new.wav", said("two"), RATE_HZ)
    return top


@pytest.fixture(scope="module")
def model(world):
    return asrkit.load(world / "chmm")


def said(word, seed=9, pad_s=0.3):
    return word_samples(word, np.random.default_rng(seed), 130, pad_s)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["viterbi", "forward"])
def test_a_file_is_heard_as_by_the_command(world, family, method, capsys):
    for options, settings in (
        ([], {}),
        (["--endpoint", "auto"], {}),
        (["--endpoint=false"], {"endpoint": False}),
    ):
        command(
            "recognize",
            world / family,
            world / "new.wav",
            f"--method={method}",
            "--confidence=true",
            *options,
        )
        _, word, log_likelihood, margin, sure = capsys.readouterr().out.split()
        heard = asrkit.load(world / family, method=method).recognize(world / "new.wav", **settings)
        assert (heard.word, f"{heard.log_likelihood:.2f}", f"{heard.margin:.2f}") == (
            word,
            f"{float(log_likelihood):.2f}",
            f"{float(margin):.2f}",
        )
        assert sure == ("-" if family == "dtw" else f"{heard.confidence:.3f}")
        best, second = sorted(heard.scores.values())[:-3:-1]
        assert (heard.log_likelihood, heard.margin) == (best, best - second)
        assert list(heard.scores) == ["one", "three", "two"] and heard.scores[heard.word] == best


def test_path_file_and_samples_are_one_recording(world, model):
    path = world / "new.wav"
    expected = model.recognize(path)
    assert expected.word == "two" and expected.margin > 0 and "scores" not in repr(expected)
    sound, rate_hz = soundfile.read(path, dtype="int16")
    double = soundfile.read(path)[0]
    with open(path, "rb") as stream:
        assert model.recognize(stream) == expected
    assert model.recognize(io.BytesIO(path.read_bytes())) == expected
    assert model.recognize(str(path)) == expected
    for samples in (sound, sound.astype(">i2"), double, double.astype(np.float32), np.repeat(sound, 3)[::3]):
        assert model.recognize(samples, rate_hz=rate_hz) == expected
        assert model.recognize((samples, np.int32(rate_hz))) == expected
    sound.flags.writeable = False
    assert model.recognize(sound, np.float64(rate_hz)) == expected
    wide = sound.astype(np.int32) << 16
    assert model.recognize(wide, rate_hz) == expected
    coarse = ((sound >> 8) + 128).astype(np.uint8)
    assert model.recognize(coarse, rate_hz).word == "two"


def test_other_rates_and_channels(world, model, tmp_path, caplog):
    import soxr

    sound = said("two").astype(np.float64)
    assert model.recognize(soxr.resample(sound, RATE_HZ, 44100), rate_hz=44100).word == "two"
    assert "upper band" not in caplog.text
    model.recognize(sound[::2].copy(), rate_hz=RATE_HZ // 2)
    assert "recording: recorded at 4000 Hz, the model expects 8000 Hz: its upper band is empty" in caplog.text
    stereo = tmp_path / "stereo.wav"
    soundfile.write(stereo, np.stack([0 * sound, sound], axis=1), RATE_HZ)
    with pytest.raises(DataError, match="silent"):
        model.recognize(stereo)
    heard = model.recognize(stereo, channel=np.int64(1))
    assert heard.word == "two" and "2 channels, channel 1 is used" in caplog.text
    with pytest.raises(DataError, match=f"{re.escape(str(stereo))}: 2 channels, .* refused by strict=true"):
        model.recognize(stereo, strict=True)
    caplog.clear()
    assert model.recognize(io.BytesIO(stereo.read_bytes()), channel=1) == heard
    assert "recording: 2 channels, channel 1 is used" in caplog.messages


def test_scores_are_those_of_each_recording(world, model):
    many = [
        world / "new.wav",
        (said("one"), RATE_HZ),
        io.BytesIO((world / "new.wav").read_bytes()),
        said("three"),
    ]
    rows = model.scores(iter(many), rate_hz=RATE_HZ)
    many[2].seek(0)
    one_by_one = [model.recognize(own) for own in many[:3]] + [model.recognize(said("three"), RATE_HZ)]
    np.testing.assert_allclose(rows, [list(heard.scores.values()) for heard in one_by_one], rtol=1e-5)
    assert rows.dtype == np.float64
    assert [model.words[i] for i in rows.argmax(axis=1)] == [heard.word for heard in one_by_one]
    assert model.scores([]).shape == (0, 3)
    same_length = np.stack([said("one")[:4000], said("two")[:4000]])
    np.testing.assert_array_equal(
        model.scores(same_length, RATE_HZ), model.scores(list(same_length), RATE_HZ)
    )
    whole = model.scores([said("one")], RATE_HZ, endpoint=False)
    np.testing.assert_array_equal(
        whole[0], list(model.recognize(said("one"), RATE_HZ, endpoint=False).scores.values())
    )


@pytest.mark.bytes
def test_scores_are_the_command_s(world, model, tmp_path):
    alone = ["--adapt=none", "--cmvn-memory=none"]
    command("decode", world / "chmm", world / "data", tmp_path / "decode", *alone)
    paths = read_table(world / "data" / "wav.scp")
    expected = dict(read_scp(read_table(tmp_path / "decode" / "scores.scp")))
    for utt, row in zip(paths, model.scores(paths.values(), endpoint=False), strict=True):
        np.testing.assert_array_equal(row, expected[utt])


def test_features_and_score_are_the_two_halves(world, model):
    feats = model.features(said("two"), RATE_HZ)
    assert feats.dtype == np.float32 and feats.shape[1] == model.frontend.model_dim
    np.testing.assert_array_equal(feats, model.features(said("two")))
    assert model.score(feats) == model.recognize(said("two"), RATE_HZ)
    for other in (
        feats.astype(np.float64),
        np.asfortranarray(feats),
        feats.astype(">f4"),
        np.repeat(feats, 2, 0)[::2],
    ):
        assert model.score(other) == model.score(feats)
    assert len(model.features(said("two"), endpoint=False)) > len(feats)
    # of the training's own features, too
    stored = dict(read_scp(read_table(world / "data" / "feats.scp"), base=world / "data"))
    sound = soundfile.read(world / "wavs" / "one_anna_0.wav")[0]
    (expected,) = model.frontend.model_features([stored["anna-one-0"]], [None])
    np.testing.assert_array_equal(model.features(sound, RATE_HZ, endpoint=False), expected)


def test_a_word_without_a_path(world, tmp_path):
    long = {
        "long": [said("one", seed, 0) for seed in range(3)],
        "short": [said("two", seed, 0)[:900] for seed in range(3)],
    }
    model = asrkit.train(long, rate_hz=RATE_HZ, family="chmm", num_states=12, num_gauss=1)
    shortest = {word: own.shortest for word, own in model.vocabulary.models.items()}
    assert shortest["short"] < shortest["long"] == 12
    sound = said("two", 7, 0)[:900]
    heard = model.recognize(sound, RATE_HZ, endpoint=False)
    assert (heard.word, heard.margin, heard.scores["long"]) == ("short", np.inf, -np.inf)
    few = f"recording: 2 frames < {shortest['short']} states"
    with pytest.raises(DataError, match=few):
        model.recognize(sound[:300], RATE_HZ, endpoint=False)
    assert (model.scores([sound[:300]], RATE_HZ, endpoint=False) == -np.inf).all()
    alone = asrkit.train({"one": long["long"]}, rate_hz=RATE_HZ, family="gmm", num_gauss=1)
    assert alone.recognize(said("two"), RATE_HZ).margin == np.inf


def test_what_it_says_of_itself(world, model):
    assert repr(model) == "<Recognizer: chmm of 3 words>"
    assert (model.words, model.family, model.method) == (("one", "three", "two"), "chmm", "viterbi")
    assert model.frontend is model.vocabulary.frontend and model.training is None


@pytest.mark.bytes
def test_load_and_save(world, model, tmp_path):
    expected = (world / "chmm" / "final.npz").read_bytes()
    for path in (world / "chmm", str(world / "chmm" / "final.npz")):
        assert asrkit.load(path).save(tmp_path / "new" / "folder").read_bytes() == expected
    assert model.save(str(tmp_path / "mine.npz")) == tmp_path / "mine.npz"
    shutil.copy(tmp_path / "mine.npz", tmp_path / "no suffix")
    assert asrkit.load(tmp_path / "no suffix").recognize(world / "new.wav") == model.recognize(
        world / "new.wav"
    )
    for other in (
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
        asrkit.Recognizer(model.vocabulary),
    ):
        assert other.recognize(world / "new.wav") == model.recognize(world / "new.wav")
        assert other.save(tmp_path / "other.npz").read_bytes() == expected


@pytest.mark.bytes
def test_many_threads_hear_the_same(world, model):
    sounds = [said(word, seed) for seed in range(4) for word in ("one", "two", "three")]
    expected = [model.recognize(sound, RATE_HZ) for sound in sounds]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda sound: model.recognize(sound, RATE_HZ), sounds)) == expected


NAN = np.where(np.arange(4000) == 7, np.nan, 0.1)
SOUND = said("two")


class Odd:
    """A path of bytes."""

    def __fspath__(self):
        return b"a.wav"


class Reader:
    """A file that gives no bytes."""

    def read(self):
        return None


def closed():
    stream = io.BytesIO()
    stream.close()
    return stream


# What is called with what, and how the refusal begins (or what it holds, after an ellipsis).
REFUSED = {
    "None": (lambda m: m.recognize(None), "recording is None (NoneType), it should be a path, a binary file, a numpy array"),
    "list": (lambda m: m.recognize([0.1, 0.2]), "recording is [0.1, 0.2] (list), it should be a path"),
    "number": (lambda m: m.recognize(3, 8000), "rate_hz=8000 goes with an array; recording is 3 (int)"),
    "bytes": (lambda m: m.recognize(b"a.wav"), "recording is b'a.wav' (bytes), it should be a path"),
    "odd path": (lambda m: m.recognize(Odd()), "recording is <"),
    "missing": (lambda m: m.recognize("no.wav"), "no.wav: cannot be read: No such file or directory"),
    "folder": (lambda m: m.recognize(Path(".")), ".: not a file"),
    "empty path": (lambda m: m.recognize(""), "recording is '' (str)"),
    "NUL": (lambda m: m.recognize("a\0"), "recording is 'a\\x00' (str)"),
    "long": (lambda m: m.recognize("a" * 5000), "recording is 'aaaaaaaaaaaa...aaaaaaaaaaaaa' (str): File name too long"),
    "shell": (lambda m: m.recognize("cat a.wav |"), "recording is 'cat a.wav |' (str), a shell command"),
    "no sound": (lambda m: m.recognize(__file__), f"{__file__}: not a recording that libsndfile reads"),
    "text": (lambda m: m.recognize(io.StringIO("x")), "recording is a file opened as text, it should be opened as bytes"),
    "closed": (lambda m: m.recognize(closed()), "recording: cannot be read: I/O operation on closed file"),
    "no bytes": (lambda m: m.recognize(Reader()), "recording: its read() gives None (NoneType), it should give bytes"),
    "empty file": (lambda m: m.recognize(io.BytesIO()), "recording: the file is empty, 0 bytes"),
    "raw": (lambda m: m.recognize(io.BytesIO(bytes(999))), "recording: not a recording that libsndfile reads"),
    "no rate": (lambda m: m.recognize(SOUND), "rate_hz is None (NoneType), it should be the samples a second"),
    "rate of a file": (lambda m: m.recognize("a.wav", 8000), "rate_hz=8000 goes with an array; recording is 'a.wav' (str)"),
    "two channels": (lambda m: m.recognize(np.zeros((9, 2)), 8000), "recording has shape (9, 2), it should be one channel"),
    "NaN": (lambda m: m.recognize(NAN, 8000), "recording holds 1 NaN or infinite values, it should hold none"),
    "16 bit": (lambda m: m.recognize(SOUND * 32768, 8000), "recording reaches "),
    "float32 max": (lambda m: m.recognize(np.full(999, 3e38, np.float32), 8000), "recording reaches 3e+38 times full"),
    "int64": (lambda m: m.recognize(np.arange(9), 8000), "recording is an array of int64, it should be one of floats"),
    "16 in 32 bit": (
        lambda m: m.recognize((SOUND * 32767).astype(np.int32), 8000),
        "recording is an array of int32 within 16 bit, it should fill its 32: .astype(np.int16)",
    ),
    "objects": (lambda m: m.recognize(SOUND.astype(object), 8000), "recording is an array of object"),
    "masked": (lambda m: m.recognize(np.ma.masked_array(SOUND, SOUND > 0), 8000), "recording is a masked array"),
    "empty": (lambda m: m.recognize(np.zeros(0), 8000), "recording is empty, it should hold a recording"),
    "silent": (lambda m: m.recognize(np.zeros(9000), 8000), "recording: silent (check the microphone)"),
    "short": (lambda m: m.recognize(SOUND[3000:3050], 8000, endpoint=False), "recording: 0.006 s, shorter than one window"),
    "endpoint": (lambda m: m.recognize(SOUND, 8000, endpoint="no"), "endpoint='no' is no bool"),
    "endpoint 1": (lambda m: m.recognize(SOUND, 8000, endpoint=1), "endpoint=1 is no bool"),
    "channel": (lambda m: m.recognize("a.wav", channel="0"), "channel='0' is no int"),
    "channel bool": (lambda m: m.recognize("a.wav", channel=True), "channel=True is no int"),
    "strict": (lambda m: m.recognize("a.wav", strict=1), "strict=1 is no bool"),
    "features of a list": (lambda m: m.features([0.1]), "samples is [0.1] (list), it should be a numpy array of samples"),
    "features of a path": (lambda m: m.features("a.wav"), "samples is 'a.wav' (str)"),
    "features at 0": (lambda m: m.features(SOUND, 0), "rate_hz is 0, no rate for speech, it should be a whole number from"),
    "features at 1e9": (lambda m: m.features(SOUND, 10**9), "rate_hz is 1000000000, no rate"),
    "score None": (lambda m: m.score(None), "feats is None (NoneType), it should be a numpy array of floats (frames, 39)"),
    "score list": (lambda m: m.score([[0.1] * 39]), "feats is [[0.1, "),
    "score vector": (lambda m: m.score(np.zeros(39)), "feats has shape (39,), it should be a numpy array of floats (frames"),
    "score statics": (lambda m: m.score(np.zeros((9, 13))), "feats has shape (9, 13), it should be"),
    "score no frames": (lambda m: m.score(np.zeros((0, 39))), "feats: no frames; it should be"),
    "score NaN": (lambda m: m.score(np.full((9, 39), np.nan)), "feats: 9 of 9 frames hold NaN or infinite values; it"),
    "score 1e300": (lambda m: m.score(np.full((9, 39), 1e300)), "feats: 9 of 9 frames hold NaN or infinite values"),
    "score bool": (lambda m: m.score(np.ones((9, 39), bool)), "feats is an array of bool, it should be"),
    "score masked": (lambda m: m.score(np.ma.ones((9, 39))), "feats is masked_array("),
    "scores None": (lambda m: m.scores(None), "recordings is None (NoneType), it should be a list of recordings"),
    "scores 3": (lambda m: m.scores(3), "recordings is 3 (int), it should be a list"),
    "scores path": (lambda m: m.scores("a.wav"), "recordings is 'a.wav' (str), it should be a list"),
    "scores Path": (lambda m: m.scores(Path("a.wav")), "recordings is "),
    "scores dict": (lambda m: m.scores({"a.wav": 1}), "recordings is {'a.wav': 1} (dict)"),
    "scores set": (lambda m: m.scores({"a.wav"}), "recordings is {'a.wav'} (set)"),
    "scores file": (lambda m: m.scores(io.BytesIO()), "recordings is <_io.BytesIO"),
    "scores samples": (lambda m: m.scores(SOUND, 8000), "recordings[0] is "),
    "scores no rate": (lambda m: m.scores([SOUND]), "rate_hz is None"),
    "scores rate": (lambda m: m.scores([(SOUND, 8000), (SOUND, None)]), "the rate of recordings[1] is None"),
    "scores of a rate": (lambda m: m.scores([], "8000"), "rate_hz is '8000' (str), it should be the samples a second"),
    "scores NaN": (lambda m: m.scores([SOUND, NAN], 8000), "recordings[1] holds 1 NaN or infinite values"),
    "scores silent": (lambda m: m.scores([SOUND, 0 * SOUND], 8000), "recordings[1]: silent"),
    "scores missing": (lambda m: m.scores(["no.wav"]), "no.wav: cannot be read"),
    "save None": (lambda m: m.save(None), "path is None (NoneType), it should be a folder, or a file *.npz"),
    "save bytes": (lambda m: m.save(b"exp"), "path is b'exp' (bytes)"),
    "save in a file": (lambda m: m.save(__file__), f"{__file__}/final.npz: cannot be written"),
    "load None": (lambda m: asrkit.load(None), "path is None (NoneType), it should be a model file or its folder"),
    "load 3": (lambda m: asrkit.load(3), "path is 3 (int)"),
    "load nothing": (lambda m: asrkit.load(""), "path is '' (str)"),
    "load nowhere": (lambda m: asrkit.load("no/such"), "no/such: no such file or folder (asrkit train makes it)"),
    "load folder": (lambda m: asrkit.load(Path(__file__).parent), "…no final.npz in this folder (asrkit train makes it)"),
    "load text": (lambda m: asrkit.load(__file__), f"{__file__}: not an asrkit model file"),
    "load method": (lambda m: asrkit.load("no/such", "best"), "no/such: no such file"),
    "method": (lambda m: asrkit.Recognizer(m.vocabulary, ["viterbi"]), "method=['viterbi'] is none of viterbi, forward"),
    "vocabulary": (lambda m: asrkit.Recognizer("exp"), "vocabulary is 'exp' (str), it should be a Vocabulary: asrkit.load"),
    "a Recognizer": (lambda m: asrkit.Recognizer(m), "vocabulary is <Recognizer: chmm of 3 words> (Recognizer)"),
    "front end": (lambda m: m.frontend.features([0.1]), "samples is [0.1] (list), it should be a numpy array of floats"),
    "front end, int16": (lambda m: m.frontend.features(np.ones(900, np.int16)), "samples is array("),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_why(case, model):
    ask, message = REFUSED[case]
    with pytest.raises(AsrkitError) as refused:
        ask(model)
    text = str(refused.value)
    assert "\n" not in text and len(text) < 400
    assert message[1:] in text if message.startswith("…") else text.startswith(message)


@pytest.mark.parametrize("damage", ["cut", "end", "zip", "pickle"])
def test_a_file_that_is_no_model(world, tmp_path, damage):
    whole, path = (world / "chmm" / "final.npz").read_bytes(), tmp_path / "final.npz"
    if damage in ("zip", "pickle"):
        np.savez(
            path, **({"a": np.zeros(3)} if damage == "zip" else {"meta": np.array({"a": 1}, dtype=object)})
        )
    else:
        path.write_bytes(whole[:1000] if damage == "cut" else whole[:-10])
    with pytest.raises(
        DataError, match=f"{re.escape(str(path))}: (not an asrkit model file|cut off or damaged)"
    ):
        asrkit.load(tmp_path)


def test_a_scoring_method_that_there_is_not(world):
    with pytest.raises(SettingsError, match="method='best' is none of viterbi, forward"):
        asrkit.load(world / "chmm", method="best")


def test_words_without_a_path_are_among_the_likeliest_of_no_list():
    heard = asrkit.Hypothesis("b", -2.0, np.inf, {"a": -np.inf, "b": -2.0})
    assert [tuple(own) for own in heard.nbest(5)] == [("b", None, -2.0)]
    shares = {"a": 0.0, "b": 0.25, "<unk>": 0.75}
    sure = asrkit.Hypothesis("b", -2.0, np.inf, heard.scores, 0.25, shares)
    assert [tuple(own) for own in sure.nbest(5)] == [("<unk>", 0.75, None), ("b", 0.25, -2.0)]
    assert list(sure.nbest_lines("x.wav", 2)) == ["x.wav <unk> - - 0.750", "x.wav b -2.00 inf 0.250"]
