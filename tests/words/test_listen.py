"""decode --adapt: models moved to a speaker by what was heard, without a transcript."""

import json

import numpy as np
import pytest
from command import MFCC, asrkit
from synthetic import write_words

from asrkit.families import chmm
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.transform import TransformConfig
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import read_table
from asrkit.models.base import Block
from asrkit.words.adaptation import AdaptConfig, adapt_to_heard, adapt_words
from asrkit.words.decoding import Scorer
from asrkit.words.listening import ListenConfig
from asrkit.words.training import TrainConfig, train_words
from asrkit.words.vocabulary import Vocabulary


def spoken(word, number, rng, offset=0.0):
    """Utterances of a word of three stretches; the words differ by their middles."""
    middle = {"a": 0.0, "b": 2.0}[word]
    path = np.concatenate([np.full((5, 2), 4.0), np.full((6, 2), middle), np.full((5, 2), -4.0)])
    return [
        (f"{word}{i}", (path + offset + rng.normal(scale=0.7, size=path.shape)).astype(np.float32))
        for i in range(number)
    ]


@pytest.fixture(scope="module")
def vocabulary():
    rng = np.random.default_rng(0)
    config = chmm.Config(num_states=3, num_gauss=1, variance_floor=0.01)
    results = train_words(
        "chmm", config, TrainConfig(), {word: Block.from_items(spoken(word, 20, rng)) for word in "ab"}
    )
    frontend = FrontEnd(2, GivenFeatures(), TransformConfig(delta_order=0))
    settings = {"family": vars(config), "train": vars(TrainConfig())}
    return Vocabulary(
        "chmm",
        ("a", "b"),
        {word: model for word, (model, _) in results.items()},
        settings,
        None,
        frontend,
        "",
    )


@pytest.fixture
def stranger():
    """A speaker all of whose frames lie elsewhere: nearer to the other word's middle for most words `a`; in
    two blocks.
    """
    rng = np.random.default_rng(1)
    own = spoken("a", 15, rng, 1.1) + spoken("b", 15, rng, 1.1)
    return [Block.from_items(own[0::2]), Block.from_items(own[1::2])]


def errors(vocabulary, blocks):
    return sum(
        vocabulary.words[best] != utt[0]
        for block in blocks
        for utt, best in zip(block.utts, Scorer(vocabulary).block_scores(block).argmax(axis=1), strict=True)
    )


@pytest.mark.parametrize("method", ["map", "mllr", "mllr-map"])
def test_a_stranger_is_understood_better(vocabulary, stranger, method):
    config = ListenConfig(adapt=method, adapt_transform="bias", adapt_passes=6)
    before, after = (
        errors(vocabulary, stranger),
        errors(adapt_to_heard(vocabulary, stranger, config, Scorer), stranger),
    )
    assert before >= 8 and after <= before / 2


def test_a_pass_is_adaptation_to_what_was_heard(vocabulary, stranger):
    heard = {"a": [], "b": []}
    for block in stranger:
        for index, scores in enumerate(Scorer(vocabulary).block_scores(block)):
            heard["ab"[scores.argmax()]].append(
                (block.utts[index], block.obs[block.offsets[index] : block.offsets[index + 1]])
            )
    settings = AdaptConfig(method="map", iters=1, tau=7.0, prior_count=7.0)
    data = {word: Block.from_items(items) for word, items in heard.items() if items}
    expected, _ = adapt_words(vocabulary.models, data, settings, vocabulary.family_config)
    moved = adapt_to_heard(
        vocabulary, stranger, ListenConfig(adapt="map", adapt_passes=1, adapt_tau=7.0), Scorer
    )
    for word, model in expected.items():
        np.testing.assert_allclose(moved.models[word].emission.means, model.emission.means, rtol=1e-6)
        assert abs(model.emission.means - vocabulary.models[word].emission.means).max() > 0.1


def test_what_was_heard_better_helps_to_hear_better(vocabulary, stranger):
    once, thrice = (
        errors(
            adapt_to_heard(
                vocabulary, stranger, ListenConfig(adapt="map", adapt_passes=passes, adapt_tau=60.0), Scorer
            ),
            stranger,
        )
        for passes in (1, 3)
    )
    assert thrice < once < errors(vocabulary, stranger)


def test_an_endless_past_moves_nothing(vocabulary, stranger):
    moved = adapt_to_heard(vocabulary, stranger, ListenConfig(adapt="map", adapt_tau=1e15), Scorer)
    for word, model in moved.models.items():
        np.testing.assert_allclose(
            model.emission.means, vocabulary.models[word].emission.means, rtol=1e-9, atol=1e-9
        )


def test_too_short_to_be_any_word(vocabulary):
    short = [Block.from_items([("x", np.zeros((2, 2), dtype=np.float32))])]
    assert adapt_to_heard(vocabulary, short, ListenConfig(adapt="map"), Scorer) is vocabulary


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav")
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", *MFCC)
    asrkit(
        "train",
        top / "data",
        top / "chmm",
        "--family",
        "chmm",
        "--num-states",
        "5",
        "--num-gauss",
        "2",
        "--warps=",
    )
    asrkit("train-codebook", top / "data", top / "dhmm", "--codebook-size", "8", "--warps=")
    asrkit("train", top / "data", top / "dhmm", "--family", "dhmm", "--num-states", "5", "--warps=")
    return top


@pytest.mark.parametrize("family, method", [("chmm", "mllr-map"), ("dhmm", "map")])
@pytest.mark.bytes
def test_each_speaker_alone(world, tmp_path, family, method):
    """One process or two, all speakers or one of them: each is moved to by the own recordings alone; their
    order is the directory's.
    """
    outs = [tmp_path / name for name in ("one", "two", "alone")]
    adapt = ["--adapt", method]
    asrkit("decode", world / family, world / "data", outs[0], *adapt)
    asrkit("decode", world / family, world / "data", outs[1], *adapt, "--nj", "2")
    assert (outs[0] / "scores.ark").read_bytes() == (outs[1] / "scores.ark").read_bytes()
    data = read_data_dir(world / "data")
    speaker = data.speaker(data.utts[0])
    own = [utt for utt in data.utts if data.speaker(utt) == speaker]
    assert 0 < len(own) < len(data.utts)
    (tmp_path / "list").write_text(f"{speaker}\n")
    asrkit("subset-data", world / "data", tmp_path / "own", "--spk-list", tmp_path / "list")
    asrkit("decode", world / family, tmp_path / "own", outs[2], *adapt)
    assert list(read_table(outs[0] / "scores.scp")) == list(data.feats)
    whole, alone = (read_scores(out) for out in (outs[0], outs[2]))
    for utt in own:
        np.testing.assert_array_equal(whole[utt], alone[utt])
    asrkit("decode", world / family, world / "data", tmp_path / "plain")
    plain = read_scores(tmp_path / "plain")
    assert any((plain[utt] != whole[utt]).any() for utt in own)


def read_scores(out):
    from asrkit.io.archive import read_scp

    return dict(read_scp(read_table(out / "scores.scp")))


def test_symbols_have_no_means(world, tmp_path, capsys):
    asrkit("decode", world / "dhmm", world / "data", tmp_path / "out", "--adapt", "mllr", status=1)
    assert "a dhmm can't be adapted by mllr (take map)" in capsys.readouterr().err


def test_crossval_adapts_too(world, tmp_path):
    settings = ["--family", "chmm", "--num-states", "5", "--num-gauss", "1", "--warps=", "--folds", "2"]
    asrkit("crossval", world / "data", tmp_path / "plain", *settings)
    asrkit("crossval", world / "data", tmp_path / "adapted", *settings, "--adapt", "map")
    assert json.loads((tmp_path / "adapted" / "decode.json").read_text())["decoded"] == len(
        read_data_dir(world / "data").utts
    )
    plain, adapted = read_scores(tmp_path / "plain"), read_scores(tmp_path / "adapted")
    assert plain.keys() == adapted.keys() and all((plain[utt] != adapted[utt]).any() for utt in plain)
