"""Codebooks of several streams through the commands: made, read, trained on, shown, adapted, accumulated, searched."""

import json

import kaldiio
import numpy as np
import pytest
from command import asrkit

import asrkit as asrkit_face
from asrkit.errors import DataError
from asrkit.io.model_file import read_codebook, read_model, read_npz, write_codebook
from asrkit.models.codebook import Codebook
from asrkit.workflows.report import read_curves

DHMM = ["--family=dhmm", "--num-states=2", "--max-iters=1", "--warps="]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two words, six recordings of each, (T, 2)."""
    folder, rng, feats = tmp_path_factory.mktemp("data"), np.random.default_rng(0), {}
    for place, word in enumerate("ab"):
        for take in range(6):
            curve = np.sin(np.linspace(0, 3, 24)[:, None] + 2 * place + np.arange(2))
            feats[f"{word}{take}"] = np.float32(curve + 0.3 * rng.standard_normal((24, 2)))
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    (folder / "text").write_text("".join(f"{utt} {utt[0]}\n" for utt in feats))
    (folder / "utt2spk").write_text("".join(f"{utt} s{utt[1]}\n" for utt in feats))
    return folder


@pytest.fixture(scope="module")
def exp(data, tmp_path_factory):
    """A model of three streams: statics, deltas and accelerations."""
    folder = tmp_path_factory.mktemp("exp")
    asrkit("train-codebook", data, folder, "--codebook-size=8", "--codebook-streams=0")
    asrkit("train", data, folder, *DHMM, "--smooth=5", "--stream-weights=0.5,1,1")
    return folder


def test_streams_are_made_shown_and_quantized(data, exp, tmp_path, capsys):
    book, frontend = read_codebook(exp / "codebook.npz")
    assert book.sizes.tolist() == [8, 8, 8] and frontend.model_dim == 6
    asrkit("info", exp)
    out = capsys.readouterr().out
    assert "vectors: 8 vectors in each of 3 streams, dimension 2" in out
    assert "codebook: 8 vectors in each of 3 streams" in out
    asrkit("quantize", exp, data, tmp_path)
    feats = kaldiio.load_scp(str(data / "feats.scp"))
    for utt, codes in kaldiio.load_scp(str(tmp_path / "codes.scp")).items():
        assert codes.shape == (24, 3) and codes.dtype == np.float32
        np.testing.assert_array_equal(codes, book.quantize(frontend.model_features([feats[utt]], [None])[0]))
    vocabulary = read_model(exp)
    assert vocabulary.models["a"].emission.log_probs.shape == (2, 3, 8)
    assert vocabulary.models["a"].emission.weights.tolist() == [0.5, 1, 1]
    np.testing.assert_array_equal(vocabulary.codebook.vectors, book.vectors)


def test_streams_decode_align_and_adapt(data, exp, tmp_path, capsys):
    asrkit("decode", exp, data, tmp_path / "decode")
    hyp = dict(line.split() for line in (tmp_path / "decode" / "hyp").read_text().splitlines())
    assert all(word == utt[0] for utt, word in hyp.items())
    asrkit("align", exp, data, tmp_path / "ali")
    asrkit("adapt", exp, data, tmp_path / "adapted")
    log = [json.loads(line) for line in (tmp_path / "adapted" / "adapt.jsonl").read_text().splitlines()]
    by_word = {word: [entry["objective"] for entry in log if entry["word"] == word] for word in "ab"}
    for objective in by_word.values():
        assert objective == sorted(objective) and len(objective) > 1


def test_the_model_depends_on_no_number_of_jobs_nor_on_who_asks(data, exp, tmp_path):
    (tmp_path / "codebook.npz").write_bytes((exp / "codebook.npz").read_bytes())
    asrkit("train", data, tmp_path, *DHMM, "--smooth=5", "--stream-weights=0.5,1,1", "--nj=2")
    assert (tmp_path / "final.npz").read_bytes() == (exp / "final.npz").read_bytes()
    settings = {"codebook_streams": 3, "codebook_size": 8, "smooth": 5.0, "stream_weights": "0.5,1,1"}
    trained = asrkit_face.train(data, family="dhmm", num_states=2, max_iters=1, warps="", **settings)
    assert trained.vocabulary.models.keys() == {"a", "b"}
    for word, model in trained.vocabulary.models.items():
        np.testing.assert_equal(model.to_arrays(), read_model(exp).models[word].to_arrays())


def test_steps_of_a_cluster_end_where_train_does(data, exp, tmp_path):
    (tmp_path / "codebook.npz").write_bytes((exp / "codebook.npz").read_bytes())
    options = [*DHMM, "--smooth=5", "--stream-weights=0.5,1,1"]
    asrkit("init-model", data, tmp_path, *[o for o in options if not o.startswith("--max-iters")])
    for number in range(2):  # one iteration, and the last, smoothed one
        asrkit("acc-stats", tmp_path / f"{number}.npz", data, tmp_path / "sums")
        finish = f"--finish={'true' if number else 'false'}"
        asrkit(
            "est-model", tmp_path / f"{number}.npz", tmp_path / "sums", tmp_path / f"{number + 1}.npz", finish
        )
    last, log = read_model(tmp_path / "2.npz"), (exp / "train.jsonl").read_text().splitlines()
    assert len(log) == 2 * 3
    for word, model in read_model(exp).models.items():
        for name, array in model.to_arrays().items():
            np.testing.assert_allclose(last.models[word].to_arrays()[name], array, rtol=1e-12)


def test_smoothing_moves_the_last_iteration_alone(data, exp, tmp_path):
    (tmp_path / "codebook.npz").write_bytes((exp / "codebook.npz").read_bytes())
    asrkit("train", data, tmp_path, *DHMM, "--smooth=0", "--stream-weights=0.5,1,1")
    log, plain = ((folder / "train.jsonl").read_text().splitlines() for folder in (exp, tmp_path))
    assert len(log) == len(plain) + 2
    assert [json.loads(line)["word"] for line in log if line not in plain] == ["a", "b"]
    marks = [[point[3] for point in own] for own in read_curves(exp / "train.jsonl").values()]
    assert marks == [[False, False, True]] * 2
    assert not any(point[3] for own in read_curves(tmp_path / "train.jsonl").values() for point in own)


def test_streams_can_be_tried(data, tmp_path):
    words = [*DHMM, "--folds=2", "--codebook-size=4", "--delta-order=2"]
    asrkit("tune", data, tmp_path / "tune", *words, "--try", "codebook-streams", "1", "3")
    books = [read_codebook(path)[0] for path in (tmp_path / "tune").glob("**/codebook.npz")]
    assert {book.num_streams for book in books} == {1, 3}
    asrkit("crossval", data, tmp_path / "cv", *words, "--codebook-streams=3")
    assert {read_codebook(path)[0].num_streams for path in tmp_path.glob("cv/fold_*/codebook.npz")} == {3}


@pytest.mark.parametrize(
    "sizes", [[8, 8], [8, 8, 9], [24, 0, 0], [-8, 16, 16], [[8, 8, 8]], [8.0, 8, 8], [6] * 4]
)
def test_sizes_that_cut_no_codebook(exp, tmp_path, sizes):
    book, frontend = read_codebook(exp / "codebook.npz")
    path = tmp_path / "codebook.npz"
    write_codebook(path, Codebook(book.vectors, book.scale, np.array(sizes)), frontend, "0" * 64)
    with pytest.raises(
        DataError, match=r"codebook.npz: its content does not fit this asrkit: (sizes|vectors) "
    ):
        read_codebook(path)


def test_one_stream_is_written_as_before(data, tmp_path):
    asrkit("train-codebook", data, tmp_path, "--codebook-size=8", "--codebook-streams=1")
    asrkit("train", data, tmp_path, *DHMM)
    assert read_npz(tmp_path / "codebook.npz", "codebook")[1].keys() == {"vectors", "scale"}
    model = read_model(tmp_path).models["a"]
    assert model.to_arrays().keys() == {"log_start", "log_trans", "log_exit", "log_probs"}
    assert model.emission.log_probs.shape == (2, 8)
