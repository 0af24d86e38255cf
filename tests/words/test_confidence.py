"""How sure a vocabulary is: measures against their definitions, parts taken out against training without them, promises kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
from oracle import NUM_SYMBOLS, small_config, spoken, train_word
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from asrkit import families
from asrkit.errors import SettingsError
from asrkit.families import chmm, gmm
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.transform import TransformConfig
from asrkit.io.model_file import read_model, write_model
from asrkit.models.base import Block
from asrkit.models.codebook import Codebook
from asrkit.words import calibration, decoding, judging
from asrkit.words.calibration import learn_confidence
from asrkit.words.confidence import MEASURES, AcceptConfig, Confidence, posteriors
from asrkit.words.decoding import Scorer
from asrkit.words.finishing import finish_words
from asrkit.words.judging import Judge
from asrkit.words.listener import Listener
from asrkit.words.training import TrainConfig, train_words
from asrkit.words.vocabulary import Vocabulary

CALIBRATED = [name for name in families.names() if families.load(name).adds_up]
FRONTEND = FrontEnd(3, GivenFeatures(), TransformConfig(cmvn="none", delta_order=0))


def small_vocabulary(name, num_words=4):
    """Words of 2 to 5 states (if any), hardly trained; and utterances, the last one too short for any."""
    family, models = families.load(name), {}
    for word in range(num_words):
        config = small_config(family, num_states=word + 2, num_gauss=2)
        models[f"word{word}"] = train_word(
            name, config, spoken(family, word, num_utts=5), max_iters=1, growth_iters=1
        )[0]
    codebook = None
    if family.has_codes:
        codebook = Codebook(np.random.default_rng(0).normal(scale=3, size=(NUM_SYMBOLS, 3)), np.ones(3))
    vocabulary = Vocabulary(name, tuple(models), models, {}, codebook, FRONTEND, "0" * 64)
    feats = spoken(families.load("chmm"), 1, num_utts=5)
    items = [*feats.items(), ("short", feats.obs[:1])]
    return vocabulary, Block.from_items((utt, vocabulary.observe(own)) for utt, own in items)


def facts(vocabulary):
    """Invented facts of each state: frames, mean and deviation of log durations."""
    rng = np.random.default_rng(1)
    return {
        word: np.stack([rng.uniform(5, 50, n), rng.uniform(0.5, 2, n), rng.uniform(0.2, 1, n)], axis=1)
        for word, model in vocabulary.models.items()
        for n in [model.num_states]
    }


def by_definition(vocabulary, states, obs, left_out):
    """The measures of one utterance, from each word's own model."""
    words = [word for word in vocabulary.words if word != left_out]
    block, models = Block.from_items([("x", obs)]), vocabulary.models
    scores = {word: models[word].align(block)[0][0] for word in words}
    best = max(words, key=scores.get)
    if not np.isfinite(scores[best]):
        return None
    total = sum(states[word][:, 0].sum() for word in words)
    every = np.concatenate(
        [np.log(states[w][:, 0] / total) + models[w].emission.log_likelihood(obs) for w in words], axis=1
    )
    background = logsumexp(every, axis=1)
    path = models[best].align(block)[1]
    gain = models[best].emission.log_likelihood(obs)[np.arange(len(obs)), path] - background
    visited = sorted(set(path.tolist()))
    each = sorted(gain[path == state].mean() for state in visited)
    frames = np.array([(path == state).sum() for state in range(models[best].num_states)])
    z = (np.log(np.maximum(frames, 0.5)) - states[best][:, 1]) / states[best][:, 2]
    others = sorted(score for word, score in scores.items() if word != best)
    return [
        (scores[best] - background.sum()) / len(obs),
        min((scores[best] - others[-1]) / len(obs), judging.MOST_MARGIN),
        np.mean(each),
        np.mean(each[:3]),
        -0.5 * np.mean(z**2),
        np.log(len(obs)),
    ]


@pytest.mark.parametrize("name", CALIBRATED)
@pytest.mark.parametrize("cells", [1, 1 << 23])
@pytest.mark.parametrize(("exact", "near"), [(True, 1e-8), (False, 2e-5)])
def test_measures_are_their_definitions(name, cells, exact, near, monkeypatch):
    """With all words and without some, in several banks and parts, too."""
    vocabulary, block = small_vocabulary(name)
    if cells == 1:
        monkeypatch.setattr(judging, "CELLS", cells)
        monkeypatch.setattr(decoding, "STATES", 5)
    states, drop = facts(vocabulary), np.arange(len(block.utts)) % 4
    scorer = Scorer(vocabulary, exact=exact)
    scores, measured = Judge(scorer, vocabulary.words, states).measure(block, None, drop)
    np.testing.assert_allclose(scores, scorer.block_scores(block), rtol=1e-10)
    for left_out, rows in zip((None, drop), measured, strict=True):
        for place, ((_, obs), row) in enumerate(zip(block.items(), rows, strict=True)):
            word = None if left_out is None else vocabulary.words[left_out[place]]
            wanted = by_definition(vocabulary, states, obs, word)
            np.testing.assert_allclose(
                row, np.full(6, np.nan) if wanted is None else wanted, rtol=near, atol=near
            )


def recorded(word, speaker, take):
    """Features (T, 3) of three stretches."""
    rng = np.random.default_rng([word, speaker, take])
    places = np.random.default_rng(word).normal(0, 2.0, (3, 3))
    voice = np.random.default_rng(100 + speaker).normal(0, 0.3, 3)
    path = places[np.repeat(np.arange(3), rng.integers(4, 8, 3))]
    return (path + voice + rng.normal(0, 1.0, path.shape)).astype(np.float32)


def corpus(words, speakers, takes):
    """Dict of speaker to dict of word to Block, and who says each utterance."""
    parts = {
        f"s{s}": {
            f"w{w}": Block.from_items((f"{s}-{w}-{t}", recorded(w, s, t)) for t in range(takes))
            for w in range(words)
        }
        for s in range(speakers)
    }
    sources = {s: {w: _Source(block) for w, block in own.items()} for s, own in parts.items()}
    return sources, {utt: s for s, own in parts.items() for block in own.values() for utt in block.utts}


class _Source:
    """A Block as a source."""

    def __init__(self, block):
        self._block, self.utts = block, list(block.utts)

    def __iter__(self):
        return iter(self._block)


def trained(family, config, parts, words):
    data = {
        word: Block.from_items(
            item for own in parts.values() for block in own[word] for item in block.items()
        )
        for word in words
    }
    found = finish_words(family, config, train_words(family, config, TrainConfig(), data), [data])
    models = {word: model for word, (model, _) in found.items()}
    settings = {"family": vars(config), "train": vars(TrainConfig()), "warps": ""}
    return Vocabulary(family, tuple(words), models, settings, None, FRONTEND, "")


WORDS = [f"w{w}" for w in range(5)]


@pytest.fixture(scope="module")
def calibrated():
    """A chmm of six speakers, and four others' recordings."""
    parts, who = corpus(5, 10, 6)
    mine = {s: own for s, own in parts.items() if int(s[1:]) < 6}
    vocabulary = trained("chmm", chmm.Config(num_states=3, num_gauss=1, covariance="full"), mine, WORDS)
    known = learn_confidence(vocabulary, mine, mine, who, "speakers")
    rest = {s: own for s, own in parts.items() if s not in mine}
    return replace(vocabulary, confidence=known), mine, rest, who


@pytest.mark.parametrize("shared_frames", [0.0, 50.0])
def test_a_part_taken_out_is_as_if_it_had_not_been_there(shared_frames):
    """Exactly so for one Gaussian a word, which has no paths."""
    parts, _ = corpus(3, 4, 5)
    config = gmm.Config(num_gauss=1, covariance="full", variance_floor=0.0, shared_frames=shared_frames)
    words = ["w0", "w1", "w2"]
    vocabulary = trained("gmm", config, parts, words)
    facts_of = {
        w: calibration._facts((vocabulary.models[w], {s: parts[s][w] for s in parts}, True)) for w in words
    }
    without = calibration._without(vocabulary, {word: sums for word, (_, sums) in facts_of.items()}, "s1")
    alone = trained("gmm", config, {s: own for s, own in parts.items() if s != "s1"}, words)
    for word in words:
        mine, theirs = (each.models[word].emission for each in (without, alone))
        np.testing.assert_allclose(mine.means, theirs.means, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(mine.covariances, theirs.covariances, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count, separable", [(50, False), (2000, False), (60, True)])
def test_the_regression_is_scikit_learn_s(count, separable):
    rng = np.random.default_rng(count)
    x, share = rng.normal(size=(count, 4)), rng.integers(1, 12, count)
    right = x @ [3.0, -1.0, 0.5, 0.0] + (0 if separable else 2) * rng.normal(size=count) > 1
    weights = calibration.logistic_regression(x, right, share)
    theirs = LogisticRegression(tol=1e-10, max_iter=10_000).fit(x, right, share)
    np.testing.assert_allclose(weights, [*theirs.coef_[0], theirs.intercept_[0]], rtol=1e-4, atol=1e-4)


def test_weights_are_fair_to_unknown_words():
    """Where the constant is free, what is believed sums up to what is right, each trial as often as it stands for."""
    rng = np.random.default_rng(0)
    measures, share = rng.normal(size=(500, 6)), rng.integers(1, 9, 500)
    right = measures @ np.arange(6) + rng.normal(size=500) > 1
    for some in (slice(None), slice(0, 100)):  # with weights of its own, and with others'
        weights = calibration._weights(measures[some], right[some], share[some])
        p = 1 / (1 + np.exp(-(measures[some] @ weights[:-1] + weights[-1])))
        np.testing.assert_allclose(share[some] @ p, share[some] @ right[some], rtol=1e-3)


def test_speakers_count_alike_in_what_is_promised():
    """One says a hundred surely, ten say ten each, less so."""
    rng = np.random.default_rng(0)
    trials, who = [], {}
    for speaker in range(11):
        for take in range(100 if speaker == 0 else 10):
            utt = f"{speaker}-{take}"
            who[utt] = str(speaker)
            level = 3.0 if speaker == 0 else 2.0
            trials.append((utt, True, True, np.full(6, level) + rng.normal(size=6)))
            trials.append((utt, False, False, rng.normal(size=6)))
    known = calibration._fitted({}, trials, who, "speakers", 5)
    right = [(who[utt], row) for utt, yes, _, row in trials if yes]
    below = known.probability(np.stack([row for _, row in right])) < known.threshold(0.3)
    rates = [below[[own == speaker for own, _ in right]].mean() for speaker in set(who.values())]
    assert 0.25 < np.mean(rates) < 0.35  # where recordings count alike it is 0.55


def test_promises_hold_for_strangers(calibrated):
    """Of words that are said about as many are rejected as was asked for, and of unknown ones as many pass as was told."""
    vocabulary, _, rest, _ = calibrated
    known, limit = vocabulary.confidence, vocabulary.confidence.threshold(0.1)
    right, unknown = [], []
    for own in rest.values():
        for word, source in own.items():
            for block in source:
                scores, sure = Scorer(vocabulary).judged_block(block)
                right += sure[scores.argmax(axis=1) == WORDS.index(word)].tolist()
                less = replace(vocabulary, words=tuple(w for w in WORDS if w != word))
                unknown += Scorer(less).judged_block(block)[1].tolist()
    assert 0.02 <= np.mean(np.array(right) < limit) <= 0.25
    assert np.mean(np.array(unknown) >= limit) <= max(2 * known.accepted[0.1], 0.1)
    assert known.accepted[0.1] < 0.2 and set(known.spread) == set(known.thresholds)
    assert list(known.thresholds.values()) == sorted(known.thresholds.values())
    assert list(known.accepted.values()) == sorted(known.accepted.values(), reverse=True)


def test_noise_is_no_word(calibrated):
    vocabulary = calibrated[0]
    rng = np.random.default_rng(0)
    noise = [
        ("", rng.normal(scale, spread, (15, 3)).astype(np.float32))
        for scale in (0, 5)
        for spread in (0.1, 1, 9)
    ]
    assert (Scorer(vocabulary).judged(noise)[1] < vocabulary.confidence.threshold(0.05)).all()


def test_nothing_is_learned_of_what_is_not_believed(calibrated):
    vocabulary, rng = calibrated[0], np.random.default_rng(0)
    limit = vocabulary.confidence.threshold(0.05)
    feats = [recorded(word, 8, take) for take in range(3) for word in range(5)]
    feats[2:2] = [rng.normal(0, 9, (20, 3)).astype(np.float32)]
    feats += [rng.normal(5, 0.1, (20, 3)).astype(np.float32), recorded(0, 9, 0)]
    listener = Listener(vocabulary, least=limit)
    scores, sure = listener.hear(feats)
    believed = [own for own, p in zip(feats, sure, strict=True) if p >= limit]
    assert 10 < len(believed) < len(feats) - 1 and not (sure[[2, -2]] >= limit).any()
    assert listener.memory.recordings == len(believed) and listener.memory.step in (0, 15)
    for mine, theirs in zip(listener.memory.kept, believed, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    careless = Listener(vocabulary)
    careless.hear(feats)
    assert careless.memory.recordings == len(feats) and np.isfinite(scores).any()


def test_what_no_word_has_a_path_for_is_not_believed(calibrated):
    scores, sure = Scorer(calibrated[0]).judged([("short", recorded(0, 0, 0)[:2])])
    assert np.isneginf(scores).all() and sure.tolist() == [0.0]


def test_nothing_depends_on_jobs_or_the_order_of_words(calibrated):
    vocabulary, mine, _, who = calibrated
    assert (
        learn_confidence(vocabulary, mine, mine, who, "speakers", jobs=2).to_dict()
        == vocabulary.confidence.to_dict()
    )


def test_recordings_that_were_not_trained_on_are_heard_as_they_are(calibrated):
    vocabulary, _, rest, who = calibrated
    known = learn_confidence(vocabulary, rest, rest, who, "speakers", trained_on=False)
    assert known.folds == "speakers" and 0 < known.threshold(0.05) < 1


def test_a_word_whose_recordings_are_all_too_short_is_no_reason_to_stop(calibrated):
    vocabulary, _, rest, who = calibrated
    short = {
        s: {**own, "w0": _Source(Block.from_items([(f"{s}-short", recorded(0, 0, 0)[:2])]))}
        for s, own in rest.items()
    }
    known = learn_confidence(vocabulary, short, short, who, "speakers", trained_on=False)
    np.testing.assert_array_equal(known.states["w0"][:, :2], [[1.0, 0.0]] * 3)


def test_few_recordings_move_the_weights_of_others():
    parts, who = corpus(3, 1, 4)
    folds = {
        str(t): {f"w{w}": _Source(next(iter(parts["s0"][f"w{w}"])).select([t])) for w in range(3)}
        for t in range(4)
    }
    vocabulary = trained("gmm", gmm.Config(num_gauss=1, covariance="diag"), parts, ["w0", "w1", "w2"])
    known = learn_confidence(vocabulary, folds, folds, who, "recordings")
    ratio = known.weights[:-1] / calibration.WEIGHTS[:-1]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert known.folds == "recordings" and known.spread == {}


@pytest.mark.parametrize("words, takes", [(1, 4), (3, 1)])
def test_without_anything_to_hold_out_nothing_is_promised(words, takes):
    parts, who = corpus(words, 1, takes)
    vocabulary = trained(
        "gmm", gmm.Config(num_gauss=1, covariance="diag"), parts, [f"w{w}" for w in range(words)]
    )
    known = learn_confidence(vocabulary, parts, parts, who, "recordings")
    assert known.folds == "none" and known.thresholds == {}
    with pytest.raises(SettingsError, match="reject=0.05: the model can't promise it"):
        AcceptConfig(reject=0.05).limit(known)
    assert AcceptConfig(min_confidence=0.5).limit(known) == 0.5


def test_a_threshold_lies_between_those_that_are_known(calibrated):
    known = calibrated[0].confidence
    assert known.thresholds[0.05] < known.threshold(0.06) < known.thresholds[0.07]
    with pytest.raises(SettingsError, match="reject=0.9: 0.001 to 0.5 can be asked for"):
        known.threshold(0.9)
    with pytest.raises(SettingsError, match="one of them decides"):
        AcceptConfig(reject=0.1, min_confidence=0.1)


def test_a_model_file_keeps_it(calibrated, tmp_path):
    vocabulary = calibrated[0]
    write_model(tmp_path / "final.npz", vocabulary)
    again = read_model(tmp_path)
    assert again.confidence.to_dict() == json.loads(json.dumps(vocabulary.confidence.to_dict()))
    assert len(again.confidence.weights) == len(MEASURES) + 1
    _, sure = Scorer(again).judged([("x", recorded(0, 0, 0))])
    np.testing.assert_array_equal(sure, Scorer(vocabulary).judged([("x", recorded(0, 0, 0))])[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": [1.0] * 6},
        {"weights": [float("nan")] * 7},
        {"folds": "nobody"},
        {"states": {"w0": [[1.0, 1.0]]}},
        {"thresholds": [[0.05, float("inf")]]},
        {"states": {"w0": [[-1.0, 1.0, 0.1]]}},
        {"states": {"w0": [[1.0, 1e300, 0.1]]}},
        {"states": {"w0": [[1.0, 1.0, 0.0]]}},
        {"weights": [1e300] * 7},
    ],
)
def test_what_is_no_confidence_is_refused(calibrated, wrong):
    with pytest.raises(ValueError, match="confidence|shapes"):
        Confidence.from_dict({**calibrated[0].confidence.to_dict(), **wrong})


def test_what_the_winner_leaves_is_divided():
    """Word by word, and by the properties that it should have."""
    rng = np.random.default_rng(5)
    scores = -rng.uniform(100, 300, (40, 6))
    scores[0, 1:] = -np.inf  # one word has a path
    scores[1] = -np.inf
    scores[2, :2] = scores[2].max() + 1  # two are equally likely
    lengths, sure = rng.integers(5, 60, 40), rng.uniform(0.01, 1, 40)
    sure[1], sure[3] = 0.0, 1.0
    found = posteriors(scores, lengths, sure)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    assert (found >= 0).all() and (found[1] == [0, 0, 0, 0, 0, 0, 1]).all()
    for own, row, frames, p in zip(found[2:], scores[2:], lengths[2:], sure[2:]):
        best = int(row.argmax())
        weights = {w: np.exp(-0.28 * (row[best] - row[w]) / frames**0.5) for w in range(6) if w != best}
        whole = sum(weights.values()) + 0.2 * (1 - p) / p
        for word, weight in weights.items():
            assert own[word] == pytest.approx(min((1 - p) * weight / whole, p))
        assert own[best] == p == own[:-1].max()
        order = np.argsort(-row)
        assert (np.diff(own[order]) <= 1e-15).all()  # no word is likelier than one that scores better
    assert found[0, 1:-1].sum() == 0 and np.isnan(
        posteriors(scores[:1], lengths[:1], np.array([np.nan]))[0, 0]
    )
