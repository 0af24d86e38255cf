"""The dtw family: against a brute force over all warping paths, and what must hold for any recordings."""

import dataclasses

import numpy as np
import pytest
from oracle import assert_same_bytes, spoken

from asrkit import families
from asrkit.families import dtw
from asrkit.models.base import Block, WarpedCopy
from asrkit.words.training import CONVERGED, TrainConfig, train_words

FAMILY = families.load("dtw")


def cheapest(cost):
    """(cost, path) of the best of all paths from corner to corner, each tried."""
    length, best = len(cost), (np.inf, ())

    def walk(path, total):
        nonlocal best
        i, j = path[-1]
        if i == j == length - 1:
            best = min(best, (total, path))
        for di, dj, weight in ((1, 1, 2), (1, 0, dtw.SIDE), (0, 1, dtw.SIDE)):
            if i + di < length and j + dj < length:
                walk((*path, (i + di, j + dj)), total + weight * cost[i + di, j + dj])

    walk(((0, 0),), 2 * cost[0, 0])
    return best


def trained(num_words=4, num_utts=3, copies=(), **settings):
    blocks = {}
    for seed in range(num_words):
        items = list(spoken(FAMILY, seed, num_utts).items())
        copied = [(WarpedCopy(utt, factor), x * factor) for factor in copies for utt, x in items]
        blocks[f"w{seed}"] = Block.from_items(items + copied)
    config = FAMILY.Config(**settings)
    models = {word: model for word, (model, _) in train_words("dtw", config, TrainConfig(), blocks).items()}
    return blocks, FAMILY.finish(models, config)


def joined(blocks):
    return Block.from_items((f"{word}-{utt}", x) for word in blocks for utt, x in blocks[word].items())


@pytest.mark.parametrize("length", [2, 3, 5])
def test_cost_and_path_are_those_of_the_best_of_all_paths(length):
    cost = np.random.default_rng(length).exponential(size=(7, length, length))
    total = dtw.warp(cost)
    rows, columns, inside = dtw.best_paths(cost)
    for pair in range(7):
        expected, path = cheapest(cost[pair])
        assert total[-1, -1, pair] == pytest.approx(expected, rel=1e-12)
        own = inside[:, pair]
        assert list(zip(rows[own, pair], columns[own, pair], strict=True)) == list(path[::-1])


def test_score_is_the_mean_over_templates_of_exp_minus_the_best_paths_cost():
    _, models = trained(num_frames=5, copies=(0.9, 1.2))
    x = spoken(FAMILY, 1, num_utts=5).select([4])  # none of the templates, as roots of nearly 0 are not exact
    frames = dtw.resample(x, 5)[0]
    for model in models.values():
        costs = [
            cheapest(np.linalg.norm((frames[:, None] - template[None]) @ model.metric, axis=2))[0] * weight
            for template, weight in zip(model.templates, model.weights, strict=True)
        ]
        expected = np.log(np.mean(np.exp(-np.array(costs))))
        assert model.log_likelihood(x)[0] == pytest.approx(expected, rel=1e-9)


def test_resampling_is_linear_and_keeps_both_ends():
    ramp = np.arange(9, dtype=np.float32)[:, None] * [1, -2]
    block = Block.from_items([("a", ramp), ("none", ramp[:0]), ("one", ramp[3:4]), ("b", ramp[:2])])
    for length in (2, 5, 9, 31):
        a, none, one, b = dtw.resample(block, length)
        np.testing.assert_allclose(a, np.linspace(0, 8, length)[:, None] * [1, -2], atol=1e-12)
        np.testing.assert_allclose(b, np.linspace(0, 1, length)[:, None] * [1, -2], atol=1e-12)
        np.testing.assert_array_equal(one, np.tile(ramp[3], (length, 1)))
        assert not none.any()


def test_distances_are_euclidean():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 4, 5)), rng.normal(size=(2, 4, 5))
    expected = np.linalg.norm(x[:, None, :, None] - y[None, :, None], axis=-1)
    np.testing.assert_allclose(dtw.local_distances(x, y), expected.reshape(6, 4, 4), rtol=1e-12)


def test_a_template_scores_best_for_its_own_word():
    blocks, models = trained(num_utts=1)
    scores = models["w0"].bank(list(models.values())).scores(joined(blocks))
    np.testing.assert_allclose(np.diag(scores), 0, atol=1e-5)
    assert (scores.argmax(axis=1) == np.arange(4)).all() and (scores - np.diag(np.diag(scores)) <= 0).all()


def test_other_recordings_are_recognised():
    _, models = trained()
    bank = models["w0"].bank(list(models.values()))
    for place, seed in enumerate(range(4)):
        others = spoken(FAMILY, seed, num_utts=30).select(range(3, 30))
        assert (bank.scores(others).argmax(axis=1) == place).all()


def test_any_length_is_heard_but_none():
    blocks, models = trained()
    x = blocks["w2"].obs
    block = Block.from_items([("none", x[:0]), ("one", x[:1]), ("two", x[:2]), ("long", np.tile(x, (20, 1)))])
    scores = models["w0"].bank(list(models.values())).scores(block)
    assert (scores[0] == -np.inf).all() and np.isfinite(scores[1:]).all()
    log_likes, path = models["w2"].align(block)
    assert log_likes[0] == -np.inf and len(path) == len(block.obs) and path.min() >= 0
    stats = models["w2"].accumulate(block)
    assert (stats.utts, stats.skipped, stats.frames) == (3, 1, len(block.obs))


def test_scores_do_not_depend_on_the_block_or_the_bank_byte_for_byte(monkeypatch):
    blocks, models = trained(num_utts=5)
    block, words = joined(blocks), list(models)
    together = models["w0"].bank(list(models.values())).scores(block)
    for pairs in (1, 7, 10_000):
        monkeypatch.setattr(dtw, "PAIRS", pairs)
        for u in range(len(block.utts)):
            alone = models["w0"].bank(list(models.values())).scores(block.select([u]))
            np.testing.assert_array_equal(alone[0], together[u])
        for w, word in enumerate(words):
            np.testing.assert_array_equal(models[word].log_likelihood(block), together[:, w])
    backwards = np.arange(len(block.utts))[::-1]
    bank = models["w0"].bank([models[word] for word in words[::-1]])
    np.testing.assert_array_equal(bank.scores(block.select(backwards)), together[::-1, ::-1])


def test_words_of_several_metrics_stand_in_one_bank():
    blocks = {f"w{seed}": spoken(FAMILY, seed, 2 + seed) for seed in range(3)}
    configs = [FAMILY.Config(num_frames=9 + w) for w in range(3)]
    models = [FAMILY.init(config, own, None) for config, own in zip(configs, blocks.values(), strict=True)]
    block = joined(blocks)
    scores = models[0].bank(models).scores(block)
    np.testing.assert_array_equal(scores, np.stack([model.log_likelihood(block) for model in models], axis=1))


def test_the_order_of_recordings_changes_nothing_but_roundings():
    block = spoken(FAMILY, 0, num_utts=5)
    config = FAMILY.Config()
    orders = block, block.select([4, 2, 0, 1, 3])
    one, other = (FAMILY.finish({"w": FAMILY.init(config, some, None)}, config)["w"] for some in orders)
    np.testing.assert_allclose(other.log_likelihood(block), one.log_likelihood(block), rtol=1e-6)


def test_the_scale_of_the_features_does_not_matter():
    blocks, models = trained()
    scaled = {}
    for word, block in blocks.items():
        scaled[word] = dataclasses.replace(block, obs=block.obs * [4, 0.5, 64] + [0, 8, -2])
    config = FAMILY.Config()
    again = FAMILY.finish({word: FAMILY.init(config, block, None) for word, block in scaled.items()}, config)
    for word in models:
        expected = models[word].log_likelihood(joined(blocks))
        np.testing.assert_allclose(again[word].log_likelihood(joined(scaled)), expected, rtol=1e-5, atol=1e-5)


def test_the_metric_is_pooled_and_whitens_how_recordings_differ():
    """Where recordings of a word differ in one direction alone, distances in it count for less."""
    rng, config = np.random.default_rng(0), FAMILY.Config()
    shape = rng.normal(size=(20, 3)).cumsum(axis=0)
    offset = np.array([5.0, 5.0, 0.0])
    models = {}
    for word, turn in (("a", 1), ("b", -1)):
        items = [(f"{word}{u}", turn * shape + offset * rng.normal()) for u in range(4)]
        models[word] = FAMILY.init(config, Block.from_items(items), None)
    done = FAMILY.finish(models, config)
    np.testing.assert_array_equal(done["a"].metric, done["b"].metric)
    along, across = (np.linalg.norm(np.array(way) @ done["a"].metric) for way in ([1, 1, 0], [1, -1, 0]))
    before = [np.linalg.norm(np.array(way) @ models["a"].metric) for way in ([1, 1, 0], [1, -1, 0])]
    assert along / across < 0.8 * before[0] / before[1]


def test_a_single_recording_a_word_is_enough_and_constant_dimensions_do_no_harm():
    x = np.ones((7, 3), dtype=np.float32)
    config = FAMILY.Config()
    model = FAMILY.finish({"w": FAMILY.init(config, Block.from_items([("u", x)]), None)}, config)["w"]
    assert model.log_likelihood(Block.from_items([("u", x), ("short", x[:1])])).max() <= 0
    assert np.isfinite(model.metric).all()
    model = FAMILY.init(config, Block.from_items([("u", x[:1]), ("v", x[:1])]), None)
    model = FAMILY.finish({"w": model}, config)["w"]
    assert np.isfinite(model.log_likelihood(Block.from_items([("u", x)]))).all()


def test_copies_follow_their_recording_and_are_no_evidence_for_the_metric():
    block = spoken(FAMILY, 0, num_utts=6)
    copies = Block.from_items(
        (WarpedCopy(utt, str(factor)) if factor != 1 else utt, x * factor)
        for utt, x in block.items()
        for factor in (1, 0.9, 1.1)
    )
    config = FAMILY.Config(max_templates=2)
    plain, model = (FAMILY.init(config, some, None) for some in (block, copies))
    assert model.original.tolist() == [1, 0, 0, 1, 0, 0, 0], "two recordings, the copies of each, the average"
    assert model.weights.tolist() == [1, dtw.COPY, dtw.COPY, 1, dtw.COPY, dtw.COPY, 1]
    np.testing.assert_array_equal(model.templates[[0, 3, 6]], plain.templates)
    np.testing.assert_allclose(model.templates[[1, 4]], 0.9 * plain.templates[:2], rtol=1e-6)
    done = [FAMILY.finish({"w": one}, config)["w"].metric for one in (plain, model)]
    np.testing.assert_array_equal(*done)


def test_a_copy_without_its_recording_is_left_out():
    """As where a large corpus is only sampled."""
    block = spoken(FAMILY, 0, num_utts=3)
    names = "a", WarpedCopy("a", "1.1"), WarpedCopy("b", "0.9")
    block = Block.from_items(zip(names, [x for _, x in block.items()], strict=True))
    assert dtw.recordings(block) == [[0, 1]] and dtw.recordings(block.select([1, 2])) == [[0], [1]]
    assert FAMILY.init(FAMILY.Config(), block, None).original.tolist() == [1, 0]


def test_medoids_of_clusters_are_one_of_each():
    rng = np.random.default_rng(0)
    x = np.concatenate([center + rng.normal(size=10) for center in (0, 100, 300)])
    chosen = dtw.medoids(np.abs(x[:, None] - x), 3)
    assert (chosen // 10).tolist() == [0, 1, 2] and len(set(dtw.medoids(np.zeros((4, 4)), 4))) == 4


def test_average_of_recordings_lies_between_them():
    rng = np.random.default_rng(0)
    shape, metric = rng.normal(size=(12, 3)).cumsum(axis=0), np.eye(3)
    np.testing.assert_allclose(dtw.average(np.stack([shape, shape, shape]), metric, 1), shape, rtol=1e-12)
    noisy = shape + 0.5 * rng.normal(size=(9, 12, 3))
    mean = dtw.average(noisy, metric, 0)
    assert np.linalg.norm(mean - shape) < 0.6 * min(np.linalg.norm(noisy - shape, axis=(1, 2)))
    tempos = np.stack([shape[np.repeat(np.arange(6), 2)], np.concatenate([shape[:1]] * 7 + [shape[1:6]])])
    mean = dtw.average(tempos, metric, 0)[None]
    assert dtw.path_costs(mean, tempos).sum() <= dtw.path_costs(tempos[:1], tempos).sum() + 1e-9


def test_alignment_follows_the_word():
    """An utterance whose thirds are of unequal lengths: its frames are given to the template's in order."""
    parts = np.array([[0.0, 0], [5, 1], [0, 9]])
    template, slower = parts[np.repeat([0, 1, 2], [10, 10, 10])], parts[np.repeat([0, 1, 2], [5, 30, 10])]
    model = FAMILY.init(FAMILY.Config(num_frames=30), Block.from_items([("t", template)]), None)
    scores, path = model.align(Block.from_items([("t", template), ("u", slower)]))
    np.testing.assert_array_equal(path[:30], np.arange(30))
    assert (np.diff(path[30:]) >= 0).all() and path[30] == 0 and path[-1] == 29
    assert scores[0] == pytest.approx(0, abs=1e-4)
    np.testing.assert_array_equal(path[30:][[2, 20, 42]] // 10, [0, 1, 2])


def test_training_ends_at_once_and_arrays_make_the_model_again():
    block = spoken(FAMILY, 0)
    model, entries = train_words("dtw", FAMILY.Config(), TrainConfig(), {"w": block})["w"]
    assert [entry["ending"] for entry in entries] == [CONVERGED]
    assert entries[0]["objective"] == model.accumulate(block).log_like
    again = FAMILY.from_arrays(model.to_arrays())
    again.check(3)
    assert_same_bytes(again, model)
    parts = {"templates": model.templates[0], "metric": model.metric[:2], "original": model.original[:1]}
    for name, broken in parts.items():
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(model, **{name: broken}).check(3)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 9])
def test_each_frame_has_its_share_of_the_cost_of_the_nearest_templates_path(length):
    """The path's cells, found among all paths, paid where the stretched frames lie between those of the recording."""
    rng, size, dim = np.random.default_rng(length), 4, 2
    templates = rng.normal(size=(2, size, dim))
    weights = np.array([1.0, dtw.COPY])
    metric = np.diag([2.0, 0.5])
    word = dtw.WordTemplates(templates, np.ones(2), weights, np.ones(dim), np.ones(1), metric)
    own = rng.normal(size=(length, dim))
    matrix = np.stack(
        [np.interp(np.linspace(0, length - 1, size), np.arange(length), unit) for unit in np.eye(length)],
        axis=1,
    )
    found = []
    for template, weight in zip(templates, weights):
        cost = np.linalg.norm((matrix @ own @ metric)[:, None] - (template @ metric)[None], axis=2)
        total, path = cheapest(cost)
        paid, before = np.zeros(size), None
        for i, j in path:
            diagonal = before is None or (i > before[0] and j > before[1])
            paid[i] += weight * cost[i, j] * (2 if diagonal else dtw.SIDE)
            before = i, j
        assert paid.sum() == pytest.approx(weight * total)
        found.append(paid)
    nearest = min(found, key=np.sum)
    score = word.log_likelihood(Block.from_items([("a", own)]))[0]
    expected = -matrix.T @ nearest + (score + nearest.sum()) / length
    added, _ = word.frame_scores(Block.from_items([("a", own), ("b", own[:1]), ("none", own[:0])]))
    assert added[:length] == pytest.approx(expected, rel=1e-9)
