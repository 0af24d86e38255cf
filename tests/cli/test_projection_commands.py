"""Models of projected features: what is estimated in training is applied wherever features are made for the model."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from synthetic import RATE_HZ, write_words

import asrkit as face
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.io.archive import read_ark
from asrkit.io.files import read_table
from asrkit.io.model_file import read_model
from asrkit.sklearn import WordClassifier

SMALL = ["--num-states=3", "--warps=0.9"]


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    """Recordings and features for training and test, and a model of each projection."""
    top = tmp_path_factory.mktemp("top")
    for name, takes in (("train", range(5)), ("test", range(5, 8))):
        speakers = ("anna", "bert", "carl") if name == "train" else ("anna", "bert")
        write_words(top / f"{name}_wavs", "{word}/{speaker}_{take}.wav", speakers=speakers, takes=takes)
        asrkit("prepare-wavs", top / f"{name}_wavs", top / name, "--pattern={word}/{speaker}_{index}")
        asrkit("compute-mfcc", top / name, *MFCC)
    asrkit("train", top / "train", top / "pca", "--family=chmm", *SMALL, "--pca-dim=9", "--cmvn=map")
    asrkit("train", top / "train", top / "lda", "--family=gmm", "--lda-dim=7", "--cmvn=speaker")
    return top


def bytes_of(exp, name="final.npz"):
    return (exp / name).read_bytes()


@pytest.mark.parametrize("name, family", [("pca", "chmm"), ("lda", "gmm")])
def test_the_model_does_not_depend_on_jobs(top, tmp_path, name, family):
    settings = {"pca": [*SMALL, "--pca-dim=9", "--cmvn=map"], "lda": ["--lda-dim=7", "--cmvn=speaker"]}[name]
    asrkit("train", top / "train", tmp_path / "again", f"--family={family}", *settings, "--nj=2")
    assert bytes_of(top / name) == bytes_of(tmp_path / "again")


def test_what_training_saw_has_the_covariance_that_is_promised(top):
    model = read_model(top / "pca")
    assert model.frontend.model_dim == 9 and model.models["one"].emission.means.shape[-1] == 9
    feats = dict(read_ark(next((top / "train").glob("data/*.ark"))))
    stored = list(feats.values())
    matrix = model.frontend.kind.warp_matrix(0.9)
    copies = [(own @ matrix.T).astype(np.float32) for own in stored]  # the training saw them, too
    own = model.frontend.model_features([*stored, *copies], [None] * 2 * len(stored))
    covariance = np.cov(np.concatenate(own).T.astype(np.float64), bias=True)
    np.testing.assert_allclose(covariance, np.eye(9), atol=1e-4)


@pytest.mark.parametrize("listen", [["--adapt=none"], ["--adapt=whole"], ["--adapt=mllr"]])
def test_recordings_are_heard_as_their_features_are(top, tmp_path, listen):
    asrkit("decode", top / "pca", top / "test", tmp_path / "stored", *listen)
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("wav.scp", "text", "utt2spk", "spk2utt"):
        (bare / name).write_bytes((top / "test" / name).read_bytes())
    asrkit("decode", top / "pca", bare, tmp_path / "heard", *listen)
    assert bytes_of(tmp_path / "stored", "scores.ark") == bytes_of(tmp_path / "heard", "scores.ark")
    hyp, text = read_table(tmp_path / "heard" / "hyp"), read_table(top / "test" / "text")
    assert sum(hyp[utt] == word for utt, word in text.items()) > 0.9 * len(text)


def test_one_recording_is_heard_as_decode_hears_it(top, tmp_path):
    asrkit("decode", top / "pca", top / "test", tmp_path / "stored", "--adapt=none", "--cmvn-memory=none")
    scores = dict(read_ark(tmp_path / "stored" / "scores.ark"))
    recognizer = face.load(top / "pca")
    for utt, path in list(read_table(top / "test" / "wav.scp").items())[:4]:
        samples, rate_hz = soundfile.read(path, dtype="float32")
        found = recognizer.recognize(samples, rate_hz=rate_hz, endpoint=False)
        own = [found.scores[word] for word in recognizer.words]
        np.testing.assert_allclose(own, np.ravel(scores[utt]), rtol=1e-6)


def test_a_stream_is_heard_as_recordings_are(top):
    recognizer = face.load(top / "pca")
    path = next(iter(read_table(top / "test" / "wav.scp").values()))
    word, rest = soundfile.read(path, dtype="float32")[0], np.random.default_rng(0).normal(0, 1e-4, RATE_HZ)
    stream = recognizer.stream(rate_hz=RATE_HZ)
    heard = [*stream.push(np.concatenate([rest, word, rest]).astype(np.float32)), *stream.close()]
    assert [own.word for own in heard] == [Path(path).parent.name]


def test_folds_have_projections_of_their_own(top, tmp_path):
    options = ["--family=chmm", "--num-states=3", "--warps=", "--lda-dim=5", "--cmvn=utterance"]
    asrkit("crossval", top / "train", tmp_path / "cv", *options, "--folds=0", "--adapt=none")
    folds = sorted((tmp_path / "cv").glob("fold_*"))
    found = [read_model(fold / "final.npz").frontend.projection for fold in folds]
    assert len(found) == 3 and len(set(found)) == 3
    (tmp_path / "who").write_text("bert\ncarl\n")
    asrkit("subset-data", top / "train", tmp_path / "rest", f"--spk-list={tmp_path / 'who'}")
    asrkit("train", tmp_path / "rest", tmp_path / "exp", *options)
    assert read_model(tmp_path / "exp").frontend.projection in found


def test_codes_are_one_stream(top, tmp_path, capsys):
    options = ["--lda-dim=5", "--warps="]
    exp = tmp_path / "dhmm"
    asrkit("train", top / "train", exp, "--family=dhmm", "--num-states=3", "--num-symbols=16", *options)
    assert read_model(exp).codebook.num_streams == 1 and read_model(exp).codebook.vectors.shape[1] == 5
    asrkit("train-codebook", top / "train", tmp_path / "book", "--codebook-size=16", *options)
    assert bytes_of(exp, "codebook.npz") == bytes_of(tmp_path / "book", "codebook.npz")
    capsys.readouterr()
    with pytest.raises(SystemExit, match="2"):
        asrkit("train-codebook", top / "train", tmp_path / "no", "--codebook-streams=3", *options)
    assert "codebook_streams=3: lda features have no statics" in capsys.readouterr().err
    train = ["train", top / "train", tmp_path / "book", "--family=dhmm", "--num-states=3"]
    asrkit(*train, "--pca-dim=5", "--warps=", status=1)
    assert "projected otherwise, or by other recordings" in capsys.readouterr().err


def test_steps_of_a_cluster_make_what_train_makes(top, tmp_path):
    options = [
        "--family=gmm",
        "--lda-dim=7",
        "--cmvn=speaker",
        "--num-gauss=1",
        "--max-iters=1",
        "--calibrate=false",
    ]
    asrkit("init-model", top / "train", tmp_path / "steps", *options)
    first = read_model(tmp_path / "steps" / "0.npz")
    assert first.frontend.projection == read_model(top / "lda").frontend.projection
    asrkit("acc-stats", tmp_path / "steps" / "0.npz", top / "train", tmp_path / "steps" / "0.1.acc")
    asrkit(
        "est-model",
        tmp_path / "steps" / "0.npz",
        tmp_path / "steps" / "0.1.acc",
        tmp_path / "steps" / "1.npz",
    )
    assert read_model(tmp_path / "steps" / "1.npz").frontend == first.frontend


def test_the_file_says_it(top, tmp_path, capsys):
    for name, said, version in (("pca", "pca to 9 dimensions", 4), ("lda", "lda to 7 dimensions", 4)):
        capsys.readouterr()
        asrkit("info", top / name)
        assert said in capsys.readouterr().out
        with np.load(top / name / "final.npz") as archive:
            assert json.loads(str(archive["meta"]))["version"] == version
    asrkit("train", top / "train", tmp_path / "plain", "--family=gmm")
    with np.load(tmp_path / "plain" / "final.npz") as archive:
        meta = json.loads(str(archive["meta"]))
    assert meta["version"] == 3 and "projection" not in meta["frontend"]


def test_other_commands_go_on_from_it(top, tmp_path, capsys):
    asrkit("adapt", top / "pca", top / "test", tmp_path / "moved", "--method=mllr")
    asrkit("calibrate", tmp_path / "moved", top / "train")
    assert read_model(tmp_path / "moved").frontend.projection == read_model(top / "pca").frontend.projection
    write_words(tmp_path / "wavs", "{word}_{take}.wav", ("four",), ("anna",), range(3))
    asrkit("teach", tmp_path / "moved", "four", *(tmp_path / "wavs").iterdir())
    assert read_model(tmp_path / "moved").words == ("four", "one", "three", "two")
    path = next(iter(read_table(top / "test" / "wav.scp").values()))
    asrkit("explain", top / "pca", path, "-o", tmp_path / "why.html", "--word=one")
    asrkit("plot", "features", path, "-o", tmp_path / "f.png", f"--like={top / 'pca'}")
    capsys.readouterr()
    asrkit("info", top / "pca", "--word=one")
    assert "PCA 1" in capsys.readouterr().out


def test_what_makes_no_sense_is_refused(top, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        asrkit("train", top / "train", tmp_path / "t", "--family=gmm", "--pca-dim=2", "--lda-dim=2")
    assert "--pca-dim 2 and --lda-dim 2: one projection or the other" in capsys.readouterr().err
    for words, said in (
        (["decode", top / "pca", top / "test", tmp_path / "d", "--test-warps=1.1"], "can't be compared"),
        (["train", top / "train", tmp_path / "t", "--family=gmm", "--pca-dim=40"], "vary in 39 directions"),
        (["train", top / "train", tmp_path / "t", "--family=gmm", "--lda-dim=15"], "apart in 14 directions"),
    ):
        capsys.readouterr()
        asrkit(*words, status=1)
        error = capsys.readouterr().err
        assert said in error and "Traceback" not in error


def test_models_of_other_projections_are_not_merged(top, tmp_path, capsys):
    options = ["--family=gmm", "--cmvn=utterance", "--warps=", "--calibrate=false"]
    for word in ("one", "two"):
        asrkit("subset-data", top / "train", tmp_path / word, f"--utt-regex={word}")
        asrkit("train", tmp_path / word, tmp_path / f"exp_{word}", *options, "--lda-dim=4")
    capsys.readouterr()
    asrkit("merge", tmp_path / "exp_one", tmp_path / "exp_two", tmp_path / "both", status=1)
    assert "each is projected by its own training's pca or lda" in capsys.readouterr().err


def test_python_and_scikit_learn_make_the_same(top):
    feats = {utt: own for path in (top / "train").glob("data/*.ark") for utt, own in read_ark(path)}
    text = read_table(top / "train" / "text")
    speakers = read_table(top / "train" / "utt2spk")
    kind = MfccConfig(sample_rate_hz=8000, use_energy=False)
    options = {"num_states": 3, "warps": "0.9", "pca_dim": 9, "cmvn": "map"}
    by_face = face.train(top / "train", family="chmm", **options)
    own = WordClassifier("chmm", features=kind, **options)
    own.fit(list(feats.values()), [text[u] for u in feats], groups=[speakers[u] for u in feats])
    for found in (by_face.vocabulary, own.recognizer_.vocabulary):
        assert found.frontend.projection == read_model(top / "pca").frontend.projection
    assert own.score(list(feats.values()), [text[u] for u in feats]) == 1.0
