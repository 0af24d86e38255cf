"""A corpus in memory and the same in a temporary file: nothing may depend on where it lies."""

import gc
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from oracle import assert_same_bytes, small_config

from asrkit import families
from asrkit.errors import DataError
from asrkit.io import store as store_module
from asrkit.io.store import Store, cut_blocks
from asrkit.words import training
from asrkit.words.training import TrainConfig, train_words


class Features:
    """Stands for a FeatureSet."""

    def __init__(self, items, text):
        self._items, self.data = items, SimpleNamespace(text=text)

    def __iter__(self):
        return iter(self._items)

    def word(self, utt):
        return self.data.text.get(utt, "")


def features(num_utts=40, seed=0):
    rng = np.random.default_rng(seed)
    items = [
        (f"u{u:02d}", rng.normal(size=(rng.integers(5, 30), 3)).astype(np.float32)) for u in range(num_utts)
    ]
    return Features(items, {utt: "ab"[u % 2] for u, (utt, _) in enumerate(items)})


def sign_codes(feats):
    return (feats[:, 0] > 0).astype(np.int32)


@pytest.fixture(params=["in memory", "in a file", "in a file from the middle on"])
def make_store(request, tmp_path, monkeypatch):
    memory = {"in memory": store_module.MEMORY, "in a file": 0, "in a file from the middle on": 1000}[
        request.param
    ]

    def make(items, observe=None):
        monkeypatch.setattr(store_module, "MEMORY", memory)
        return Store(items, tmp_path / "exp", observe)

    make.in_file = request.param != "in memory"
    make.folder = tmp_path / "exp"
    return make


def by_word(store):
    words = {}
    for utt in store.utts:
        words.setdefault(store.words[utt], []).append(utt)
    return words


@pytest.mark.parametrize("observe", [None, sign_codes])
def test_what_goes_in_comes_out(make_store, observe, monkeypatch):
    monkeypatch.setattr(store_module, "BLOCK", 100)
    given = features()
    store = make_store(given, observe)
    expected = {utt: feats if observe is None else observe(feats) for utt, feats in given}
    assert store.utts == list(expected) and store.words == given.data.text
    assert {utt: store.length(utt) for utt in store.utts} == {
        utt: len(array) for utt, array in expected.items()
    }
    some = store.utts[7::-3]
    for block in (store.read(some), *store.source(some)):
        for utt, array in block.items():
            np.testing.assert_array_equal(array, expected[utt])
            assert array.dtype == expected[utt].dtype
    source = store.source(store.utts[1::2])
    blocks = list(source)
    assert (
        len(blocks) > 2 and [utt for block in blocks for utt in block.utts] == source.utts == store.utts[1::2]
    )
    np.testing.assert_array_equal(source.lengths, [store.length(utt) for utt in source.utts])
    for first, again in zip(blocks, source, strict=True):  # goes through them as often as asked
        np.testing.assert_array_equal(first.obs, again.obs)
        np.testing.assert_array_equal(first.offsets, again.offsets)


@pytest.mark.parametrize("name", families.names())
@pytest.mark.parametrize("block, sample", [(store_module.BLOCK, training.SAMPLE), (60, 200)])
def test_models_are_the_same_wherever_the_features_lie(name, block, sample, tmp_path, monkeypatch):
    """And prepared beforehand or not: what is in memory is kept prepared."""
    monkeypatch.setattr(store_module, "BLOCK", block)
    monkeypatch.setattr(training, "SAMPLE", sample)
    family = families.load(name)
    models = []
    for memory, keep in [
        (store_module.MEMORY, store_module.KEEP),
        (store_module.MEMORY, 0),
        (0, store_module.KEEP),
    ]:
        monkeypatch.setattr(store_module, "MEMORY", memory)
        monkeypatch.setattr(store_module, "KEEP", keep)
        store = Store(features(), tmp_path, sign_codes if family.has_codes else None)
        sources = {word: store.source(utts) for word, utts in by_word(store).items()}
        assert {some.keep for source in sources.values() for some in source} == {memory > 0 and keep > 0}
        models.append(
            train_words(
                name, small_config(family), TrainConfig(method="both", max_iters=4, growth_iters=2), sources
            )
        )
    for other in models[1:]:
        for word, (model, log) in models[0].items():
            assert_same_bytes(model, other[word][0])
            assert log == other[word][1]


def test_the_hash_knows_names_words_and_features_and_not_where_they_lie(make_store, tmp_path):
    given = features()
    assert (
        make_store(given).data_hash
        == Store(features(), tmp_path).data_hash
        == make_store(given, sign_codes).data_hash
    )
    (utt, feats), *rest = list(given)
    other = feats.copy()
    other[-1, -1] += 1
    text = given.data.text
    changed = [
        Features([(utt, other), *rest], text),
        Features([("new", feats), *rest], {**text, "new": "a"}),
        Features(list(given), {**text, utt: "c"}),
        Features([*rest, (utt, feats)], text),
        Features(rest, text),
        Features(
            [(utt, feats.reshape(-1, 1)), *((name, array.reshape(-1, 1)) for name, array in rest)], text
        ),
    ]
    assert len({make_store(some).data_hash for some in [given, *changed]}) == 7


def test_words_that_are_not_known_are_empty(make_store):
    given = features(3)
    del given.data.text["u01"]
    assert make_store(given).words == {"u00": "a", "u01": "", "u02": "a"}


@pytest.mark.parametrize("block", [50, store_module.BLOCK])
@pytest.mark.parametrize("num_frames", [1, 100, 300, 10**6])
def test_a_sample_is_whole_utterances_spread_over_all_the_shortest_among_them(
    make_store, block, num_frames, monkeypatch
):
    monkeypatch.setattr(store_module, "BLOCK", block)
    store = make_store(features(60))
    sample = store.sample(store.utts, num_frames)
    lengths = np.array([store.length(utt) for utt in store.utts])
    chosen = [store.utts.index(utt) for utt in sample.utts]
    assert chosen == sorted(set(chosen)) and lengths.argmin() in chosen
    for u, array in zip(chosen, (array for _, array in sample.items()), strict=True):
        np.testing.assert_array_equal(array, store.read([store.utts[u]]).obs)
    if num_frames >= lengths.sum():
        assert len(chosen) == 60
    else:
        assert abs(len(sample.obs) - num_frames) <= 2 * 30 + 0.2 * num_frames
        rest = np.array([u for u in chosen if u != lengths.argmin()])
        assert len(rest) < 5 or np.diff(rest).max() <= np.ceil(2 * lengths.sum() / num_frames)


def test_blocks_are_cut_by_the_data_alone(monkeypatch):
    monkeypatch.setattr(store_module, "BLOCK", 100)
    lengths = {f"u{u}": int(n) for u, n in enumerate(np.random.default_rng(1).integers(0, 60, size=50))}
    blocks = cut_blocks(lengths)
    assert sum(blocks, []) == list(lengths)
    sums = [[lengths[utt] for utt in block] for block in blocks]
    assert (
        all(sum(own) >= 100 > sum(own[:-1]) for own in sums[:-1])
        and sum(sums[-1]) > 0
        and sum(sums[-1][:-1]) < 100
    )
    assert cut_blocks({"a": 100, "b": 1}) == [["a"], ["b"]] and cut_blocks({"a": 99, "b": 1, "c": 1}) == [
        ["a", "b"],
        ["c"],
    ]


def test_sources_go_to_other_processes(make_store, monkeypatch):
    monkeypatch.setattr(store_module, "BLOCK", 100)
    store = make_store(features())
    source = store.source(store.utts)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.utts == source.utts
    for mine, theirs in zip(source, copy, strict=True):
        np.testing.assert_array_equal(mine.obs, theirs.obs)
    assert not make_store.in_file or len(pickle.dumps(source)) < 150 * len(store.utts), (
        "the places go, not the features"
    )


def test_the_temporary_file_lives_as_long_as_the_store(make_store):
    store = make_store(features())
    assert make_store.folder.exists() == make_store.in_file
    assert len(list(make_store.folder.glob(".features.*"))) == make_store.in_file == (not store._arrays)
    del store
    gc.collect()
    assert not list(make_store.folder.glob("*")) and not list(make_store.folder.glob(".*"))


def test_memory_decides_when_a_file_is_needed(tmp_path, monkeypatch):
    given = features()
    size = sum(feats.nbytes for _, feats in given)
    for memory, files in [(size, 0), (size - 1, 1)]:
        monkeypatch.setattr(store_module, "MEMORY", memory)
        store = Store(given, tmp_path)
        assert len(list(tmp_path.iterdir())) == files, memory
        del store
        gc.collect()


def test_blocks_keep_what_is_prepared_of_them_up_to_a_number_of_frames(tmp_path, monkeypatch):
    given = features()
    for observe in (None, sign_codes):
        for more, keep in [(0, True), (-1, False)]:
            monkeypatch.setattr(store_module, "KEEP", sum(len(feats) for _, feats in given) + more)
            store = Store(given, tmp_path, observe)
            assert next(iter(store.source(store.utts))).keep == keep


def test_no_file_where_none_can_be(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "MEMORY", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written: .* another output folder"):
        Store(features(), tmp_path / "file")


def test_a_file_that_was_cut_off_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "MEMORY", 0)
    store = Store(features(), tmp_path)
    (path,) = tmp_path.iterdir()
    with open(path, "r+b") as stream:
        stream.truncate(path.stat().st_size - 1)
    with pytest.raises(DataError, match="cut off"):
        list(store.source(store.utts))


def test_a_corpus_without_features_is_no_accident(make_store):
    store = make_store(Features([], {}))
    assert store.utts == [] and store.words == {}
