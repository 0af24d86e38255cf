"""The contract of the model families, asked member by member, and every command with every family.

What is said here of the families that asrkit has holds for one that is added: a test adds one, which can do nothing that may be
left out.
"""

import dataclasses
import functools
import importlib
import inspect
import json
import pickle
import sys

import numpy as np
import pytest
from oracle import NUM_SYMBOLS, assert_same_bytes, small_config, spoken, train_word
from synthetic import write_words

from asrkit import families
from asrkit.cli import main as cli
from asrkit.config import flag_name
from asrkit.errors import SettingsError
from asrkit.families.base import MAP, MLLR, MLLR_MAP, Family
from asrkit.io.files import read_table
from asrkit.models.base import Block, Emission, Stats, WordModel, WordStats
from asrkit.words.adaptation import AdaptConfig
from asrkit.words.listening import ListenConfig
from asrkit.words.settings import TrainingSettings
from asrkit.words.training import CONVERGED
from asrkit.workflows.crossval import RunSettings

METHODS = ("viterbi", "baum-welch")

# A family as somebody might add it: nothing else of asrkit knows it.
TOY = '''"""Nearest mean: a word is the mean of its frames. No states, nothing to sum, to align or to adapt."""

from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.families.base import Family
from asrkit.models.base import WordModel, WordStats, check_array


@dataclass(frozen=True)
class Config:
    sharpness: float = option(1.0, "nats for a distance of one", minimum=1e-3)

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class Mean(WordModel):
    mean: np.ndarray
    sharpness: np.ndarray
    num_states = shortest = 1

    @property
    def num_parameters(self):
        return self.mean.size

    def check(self, width):
        check_array("mean", self.mean, (width,))
        check_array("sharpness", self.sharpness, (1,))

    def log_likelihood(self, block):
        return Bank([self]).scores(block)[:, 0]

    def align(self, block):
        return self.log_likelihood(block), np.zeros(len(block.obs), dtype=np.int32)

    def accumulate(self, block, method="viterbi"):
        scores = self.log_likelihood(block)
        used = np.isfinite(scores)
        return WordStats(float(scores[used].sum()), int(block.lengths.sum()), int(used.sum()), int((~used).sum()))

    @staticmethod
    def bank(models):
        return Bank(models)

    def estimate(self, stats, config):
        return self

    def to_arrays(self):
        return {"mean": self.mean, "sharpness": self.sharpness}


class Bank:
    def __init__(self, models):
        self.models = models

    def scores(self, block, method="viterbi"):
        out = np.full((len(block.utts), len(self.models)), -np.inf)
        for u, (_, x) in enumerate(block.items()):
            if len(x):
                out[u] = [-m.sharpness[0] * np.abs(x - m.mean).sum() for m in self.models]
        return out


class NearestMean(Family):
    Config = Config
    has_codes = has_states = has_gaussians = gaussians_a_state = grows = adds_up = can_align = False
    adaptations = ()

    def init(self, config, block, rng, start=0):
        return Mean(block.obs.mean(axis=0, dtype=np.float64), np.array([config.sharpness]))

    def from_arrays(self, arrays):
        return Mean(**arrays)
'''


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The room of families is two folders, the second with one new file."""
    folder = tmp_path_factory.mktemp("families")
    (folder / "nearest.py").write_text(TOY)
    families.__path__.append(str(folder))
    importlib.invalidate_caches()
    yield "nearest"
    families.__path__.remove(str(folder))
    sys.modules.pop("asrkit.families.nearest", None)
    families.load.cache_clear()


@pytest.fixture(scope="module", params=[*families.names(), "nearest"])
def name(request, toy):
    return request.param


@pytest.fixture(scope="module")
def family(name):
    return families.load(name)


# what a family says


def test_every_member_of_a_family_is_there_and_of_its_type(name, family):
    assert isinstance(family, Family) and family.name == name
    for member in (
        "has_codes", "has_states", "has_gaussians", "gaussians_a_state", "grows", "adds_up", "can_align", "can_teach",
        "can_merge",
    ):  # fmt: skip
        assert isinstance(getattr(family, member), bool), member
    assert isinstance(family.adaptations, tuple) and set(family.adaptations) <= {MAP, MLLR, MLLR_MAP}
    assert not inspect.isabstract(type(family))
    assert all(hasattr(family, member) for member in Family.__annotations__), "what is declared is there"


def test_settings_are_frozen_options_that_are_checked(family):
    config = family.Config()
    assert dataclasses.is_dataclass(config) and config == family.Config() and hash(config) is not None
    for field in dataclasses.fields(config):
        assert field.metadata["help"]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, field.name, field.default)
        with pytest.raises(SettingsError, match=f"{field.name}="):
            family.Config(**{field.name: None})


def test_settings_are_those_that_are_declared(family):
    config = family.Config()
    fields = {field.name for field in dataclasses.fields(config)}
    assert ("num_states" in fields) == family.has_states
    assert ("num_gauss" in fields) == family.has_gaussians
    assert ("num_symbols" in fields) == family.has_codes
    assert family.has_gaussians or not (family.gaussians_a_state or family.grows)
    assert family.has_states or not family.gaussians_a_state
    assert {MLLR, MLLR_MAP} & set(family.adaptations) <= ({MLLR, MLLR_MAP} if family.has_gaussians else set())
    assert type(family.num_starts(config)) is int and family.num_starts(config) >= 1
    assert type(family.wanted_states(config)) is int and family.wanted_states(config) >= 0
    wanted = family.wanted_gaussians(config, 3)
    assert type(wanted) is int and (wanted > 0) == family.has_gaussians


def test_settings_of_a_training_hold_the_familys(name, family):
    settings = TrainingSettings.of(name)
    assert settings.model == family.Config()
    assert {field.name for field in dataclasses.fields(settings.model)} <= set(settings.values())


def test_starts_are_as_many_as_the_family_says(name, family, monkeypatch):
    """The loop asks the family, whatever it calls the setting."""
    kind, starts = type(family), []
    init = kind.init

    def counted(self, config, block, rng, start=0):
        starts.append(start)
        return init(self, config, block, rng, start)

    monkeypatch.setattr(kind, "init", counted)
    monkeypatch.setattr(kind, "num_starts", lambda self, config: 3)
    _, entries = train_word(name, small_config(family), spoken(family, 0), max_iters=1, growth_iters=1)
    assert starts == [0, 1, 2] and entries[-1]["start"] in starts


# what a model of a word says


@functools.cache
def trained(name):
    family = families.load(name)
    config, block = small_config(family), spoken(family, 0)
    return config, block, *train_word(name, config, block, max_iters=3, growth_iters=1)


@pytest.fixture
def word(name):
    return trained(name)[2]


@pytest.fixture
def block(name):
    return trained(name)[1]


@pytest.fixture
def config(name):
    return trained(name)[0]


def is_count(value):
    return isinstance(value, (int, np.integer)) and value >= 0


def test_every_member_of_a_model_is_there_and_of_its_type(family, word, block):
    assert isinstance(word, WordModel) and dataclasses.is_dataclass(word)
    with pytest.raises(dataclasses.FrozenInstanceError):
        word.num_states = 3
    assert is_count(word.num_states) and word.num_states >= 1
    assert is_count(word.shortest) and 1 <= word.shortest <= max(word.num_states, 1)
    assert is_count(word.num_parameters) and word.num_parameters > 0
    assert is_count(word.num_gauss) and (word.num_gauss > 0) == family.has_gaussians
    for counts in (word.components, word.floored):
        assert counts.shape == (word.num_states,) and counts.dtype.kind in "iu" and (counts >= 0).all()
    if family.has_states:
        assert word.num_states == small_config(family).num_states
    assert pickle.loads(pickle.dumps(word)).num_states == word.num_states


def test_scores_are_of_each_utterance(word, block):
    num_utts, num_frames = len(block.utts), len(block.obs)
    scores = word.log_likelihood(block)
    assert scores.dtype == np.float64 and scores.shape == (num_utts,) and np.isfinite(scores).all()
    best, path = word.align(block)
    assert best.shape == (num_utts,) and path.shape == (num_frames,) and path.dtype == np.int32
    assert ((path >= 0) & (path < word.num_states)).all()
    bank = word.bank([word, word])
    for method, own in (("viterbi", best), ("forward", scores)):
        table = bank.scores(block, method)
        assert table.dtype == np.float64 and table.shape == (num_utts, 2)
        np.testing.assert_allclose(table, np.stack([own, own], axis=1), rtol=1e-6)


def test_an_utterance_without_frames_has_no_path(word, block):
    empty = Block.from_items([("none", block.obs[:0]), ("some", block.obs)])
    for scores in (word.log_likelihood(empty), word.align(empty)[0], word.bank([word]).scores(empty)[:, 0]):
        assert scores[0] == -np.inf and np.isfinite(scores[1])
    for method in METHODS:
        stats = word.accumulate(empty, method)
        assert (stats.utts, stats.skipped, stats.frames) == (1, 1, len(block.obs))


@pytest.mark.parametrize("method", METHODS)
def test_sums_are_sums(family, word, block, config, method):
    stats = word.accumulate(block, method)
    assert isinstance(stats, WordStats) and isinstance(stats, Stats)
    assert type(stats.log_like) is float and np.isfinite(stats.log_like)
    assert (stats.frames, stats.utts, stats.skipped) == (len(block.obs), len(block.utts), 0)
    (many,) = word.accumulate_many([(word, block)], method)
    assert_same_bytes(stats, many)
    both = stats + stats
    assert type(both) is type(stats) and both.frames == 2 * stats.frames
    assert_same_bytes(word.accumulate(block.select([0]), method).filled(stats.to_arrays()), stats)
    if family.adds_up:
        assert stats.occupancy.shape == (word.num_states,)
        np.testing.assert_allclose(stats.occupancy.sum(), stats.frames)
        new = word.estimate(stats, config)
        assert type(new) is type(word) and new.num_states == word.num_states
        assert new.accumulate(block, method).log_like >= stats.log_like - 1e-9 * abs(stats.log_like)
    else:
        assert isinstance(word.estimate(stats, config), WordModel)


def test_no_data_is_data(word, block):
    nothing = word.accumulate(Block((), block.obs[:0], np.zeros(1, dtype=np.int64)))
    assert (nothing.frames, nothing.utts, nothing.log_like) == (0, 0, 0.0)
    assert_same_bytes(nothing + word.accumulate(block), word.accumulate(block))


def test_arrays_make_the_model_again(family, word, block):
    arrays = word.to_arrays()
    assert arrays and all(isinstance(key, str) and "/" not in key for key in arrays)
    assert all(isinstance(array, np.ndarray) and array.dtype == np.float64 for array in arrays.values())
    again = family.from_arrays(arrays)
    width = NUM_SYMBOLS if family.has_codes else 3
    again.check(width)
    assert type(again) is type(word)
    np.testing.assert_array_equal(again.log_likelihood(block), word.log_likelihood(block))
    for wrong in (width - 1, width + 1):
        with pytest.raises(ValueError):
            again.check(wrong)
    for key, array in arrays.items():
        with pytest.raises(ValueError):
            family.from_arrays({**arrays, key: np.full_like(array, np.nan)}).check(width)
        with pytest.raises((ValueError, IndexError)):
            family.from_arrays({**arrays, key: array[..., None, None]}).check(width)


def test_growth_is_of_families_that_grow(family, word, block, config):
    sizes = word.schedule(config)
    assert isinstance(sizes, list) and all(is_count(size) for size in sizes)
    start = family.init(config, block, np.random.default_rng(0))
    assert isinstance(start, WordModel) and bool(start.schedule(config)) == family.grows
    grown = start.grow(start.accumulate(block), config)
    assert grown is None or (isinstance(grown, WordModel) and grown.num_gauss > start.num_gauss)
    assert (grown is not None) == family.grows


@pytest.mark.parametrize("moves", ["means", "means,variances,weights,transitions"])
def test_adaptation_is_of_families_that_can(family, word, block, config, moves):
    stats, prior = word.accumulate(block.select([0, 1])), AdaptConfig(update=moves)
    if MAP in family.adaptations:
        moved = word.adapt(stats, prior, config)
        assert type(moved) is type(word) and moved.num_states == word.num_states
        assert word.log_prior(word, prior) == pytest.approx(0, abs=1e-9)
        assert type(word.log_prior(moved, prior)) is float and word.log_prior(moved, prior) <= 1e-9
    else:
        for call in (lambda: word.adapt(stats, prior, config), lambda: word.log_prior(word, prior)):
            with pytest.raises(NotImplementedError):
                call()
    if MLLR in family.adaptations:
        emission = word.emission
        assert isinstance(emission, Emission) and emission.gaussians.num_gauss == word.num_gauss
        assert stats.emission.gaussians.first.shape == emission.gaussians.means.shape
        assert_same_bytes(emission.with_gaussians(emission.gaussians), emission)


def test_frames_add_up_to_the_score_of_the_best_path(family, word, block):
    if not family.can_align:
        with pytest.raises(NotImplementedError):
            word.frame_scores(block)
        return
    some = Block.from_items(
        [*block.items(), ("none", block.obs[:0]), ("one", block.obs[:1]), ("two", block.obs[3:5])]
    )
    scores, path = word.align(some)
    added, same = word.frame_scores(some)
    assert added.dtype == np.float64 and added.shape == path.shape and (same == path).all()
    for score, begin, end in zip(scores, some.offsets, some.offsets[1:]):
        if np.isfinite(score):
            assert added[begin:end].sum() == pytest.approx(score, rel=1e-12, abs=1e-9)
        else:
            assert np.isnan(added[begin:end]).all()


def test_a_word_of_few_recordings_is_of_families_that_can(family, word, block, config):
    def taught():
        return family.teach(config, block, np.zeros(3), np.eye(3), 1)

    if not family.can_teach:
        with pytest.raises(NotImplementedError):
            taught()
        return
    assert family.adds_up and MAP in family.adaptations, (
        "words are judged by their states, and taught more by MAP"
    )
    assert type(taught()) is type(word) and np.isfinite(taught().log_likelihood(block)).all()
    assert {name: a.shape[2:] for name, a in taught().to_arrays().items()} == {
        name: a.shape[2:] for name, a in word.to_arrays().items()
    }


def test_finish_keeps_the_words(family, word, config):
    finished = family.finish({"a": word, "b": word}, config)
    assert list(finished) == ["a", "b"] and all(type(model) is type(word) for model in finished.values())


def test_log_of_a_training(name, word):
    entries = trained(name)[3]
    assert entries[-1]["ending"] and [entry["iteration"] for entry in entries] == list(range(len(entries)))
    for entry in entries:
        assert entry["states"] == word.num_states and entry["frames"] > 0 and np.isfinite(entry["objective"])


def test_what_estimates_nothing_is_gone_through_once(toy):
    """The log of such a training has one line a word, and nothing is scored twice."""
    (entry,) = trained(toy)[3]
    assert entry["ending"] == CONVERGED


def test_a_family_that_lacks_what_it_must_say_is_none():
    class Silent(Family):
        Config = object

    with pytest.raises(TypeError, match="abstract method"):
        Silent()
    with pytest.raises(SettingsError, match="family='gmmm' is none of chmm, "):
        families.load("gmmm")


# every command


class Run:
    """What a command came to: its exit status, and what it said."""

    def __init__(self, capsys, words):
        capsys.readouterr()
        try:
            self.status = cli.main([str(word) for word in words])
        except SystemExit as stop:
            self.status = stop.code
        self.out, self.err = capsys.readouterr()
        assert "Traceback" not in self.err and "nan" not in self.out.lower().split()

    @property
    def complaint(self):
        """The one line of an error."""
        (line,) = (line for line in self.err.splitlines() if "error: " in line)
        assert self.err.endswith(f"{line}\n") and self.out == ""
        return line


@pytest.fixture
def run(capsys):
    """Run a command, which must succeed, or fail with a line that names the family."""

    def call(*words, can=True, names=()):
        done = Run(capsys, words)
        if can:
            assert done.status == 0, done.err
        else:
            assert done.status in (1, 2)
            assert all(f" {name} " in done.complaint for name in names)
        return done

    return call


@pytest.fixture(autouse=True, scope="module")
def no_confusion_pictures():
    """Every `score` and `crossval` draws one, which knows nothing of the family; tests of plots draw them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asrkit.plots.words.plot_confusion", lambda *args, **named: None)
        yield


TINY = {"num_states": 3, "num_gauss": 2, "num_starts": 1, "min_count": 3.0, "kmeans_iters": 3}
BOOK = ["--codebook-size=8", "--cmvn=speaker", "--delta-order=1", "--warps=1.1"]
SETTINGS = ["--max-iters=2", "--growth-iters=1", "--cmvn=speaker", "--delta-order=1", "--warps=1.1"]


def options(name):
    """A tiny training."""
    fields = {field.name: field for field in dataclasses.fields(families.load(name).Config())}
    own = [f"--{flag_name(fields[key])}={value}" for key, value in TINY.items() if key in fields]
    return [f"--family={name}", *SETTINGS, *own]


def raced(name):
    """The same for commands that make codebooks themselves."""
    book = ["--codebook-size=8"] if families.load(name).has_codes else []
    return [*options(name), *book]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three speakers say two words four times: train/ and test/ are parts of all/."""
    top = tmp_path_factory.mktemp("data")
    write_words(
        top / "wavs", "{word}_{speaker}_{take}.wav", ("one", "two"), ("anna", "bert", "carl"), range(4)
    )
    for words in (
        ("prepare-wavs", top / "wavs", top / "all", "--pattern", "{word}_{speaker}_{index}"),
        ("compute-mfcc", top / "all", "--sample-frequency=8000", "--use-energy=false", "--num-ceps=5"),
        ("compute-cmvn", top / "all"),
        ("subset-data", top / "all", top / "test", "--utt-regex=-[01]$"),
        ("subset-data", top / "all", top / "train", "--utt-regex=-[23]$"),
        ("split-data", top / "train", "3"),
    ):
        assert cli.main([str(word) for word in words]) == 0
    return top


@pytest.fixture(scope="module")
def exp(name, family, data, tmp_path_factory):
    """A folder with a model, codebook where there is one, and a decoding that was scored."""
    exp = tmp_path_factory.mktemp("exp") / name
    if family.has_codes:
        assert cli.main(["train-codebook", str(data / "train"), str(exp), *BOOK]) == 0
    for words in (
        ("train", data / "train", exp, *options(name)),
        ("decode", exp, data / "test", exp / "decode_test"),
        ("score", data / "test", exp / "decode_test"),
    ):
        assert cli.main([str(word) for word in words]) == 0
    return exp


@pytest.fixture(scope="module")
def other(data, tmp_path_factory):
    """A gmm beside it."""
    exp = tmp_path_factory.mktemp("other") / "gmm"
    for words in (
        ("train", data / "train", exp, *options("gmm")),
        ("decode", exp, data / "test", exp / "decode_test"),
        ("score", data / "test", exp / "decode_test"),
    ):
        assert cli.main([str(word) for word in words]) == 0
    return exp


def test_train_decode_and_score(name, exp, data, run):
    for method in ("viterbi", "forward"):
        run("decode", exp, data / "test", exp / f"decode_{method}", "--method", method)
        done = run("score", data / "test", exp / f"decode_{method}", "--per-speaker=true")
        assert done.out.startswith("%WER ")
    hyps, said = read_table(exp / "decode_test" / "hyp"), read_table(data / "test" / "text")
    assert sum(hyps[utt] != word for utt, word in said.items()) <= 2, "these two words are easy"


def test_training_again_gives_the_same_bytes(name, exp, data, run, tmp_path):
    if (exp / "codebook.npz").exists():
        tmp_path.joinpath("codebook.npz").write_bytes((exp / "codebook.npz").read_bytes())
    done = run("train", data / "train", tmp_path, *options(name))
    assert "trained 2 words, on 12, skipped 0 utterances, 1 warped copies of each" in done.out
    assert (tmp_path / "final.npz").read_bytes() == (exp / "final.npz").read_bytes()


def test_train_makes_a_codebook_where_one_is_needed(name, family, data, run, tmp_path):
    run("train", data / "train", tmp_path, *options(name))
    assert (tmp_path / "codebook.npz").exists() == family.has_codes


def test_decode_with_adaptation(name, family, exp, data, run, tmp_path):
    for method in (MAP, MLLR, MLLR_MAP):
        can = method in family.adaptations
        run("decode", exp, data / "test", tmp_path / method, "--adapt", method, can=can, names=[name])
        assert (tmp_path / method / "hyp").exists() == can


@pytest.mark.parametrize("method", [MAP, MLLR, MLLR_MAP])
def test_adapt(name, family, exp, data, run, tmp_path, method):
    can = method in family.adaptations
    done = run("adapt", exp, data / "test", tmp_path / "out", "--method", method, can=can, names=[name])
    if can:
        assert "adapted 2 of 2 words, to 12, skipped 0 utterances" in done.out
        run("decode", tmp_path / "out", data / "test", tmp_path / "decode")
    else:
        assert f"can't be adapted by {method} (" in done.complaint and not (tmp_path / "out").exists()
        if family.adaptations:
            assert f"take {' or '.join(family.adaptations)}" in done.complaint


def test_recognize(exp, data, run):
    wavs = sorted((data / "wavs").glob("*_0.wav"))
    for more in ((), ("--method=forward", "--endpoint=false")):
        lines = run("recognize", exp, *wavs, *more).out.splitlines()
        assert [line.split()[0] for line in lines] == [str(wav) for wav in wavs]
        assert {line.split()[1] for line in lines} <= {"one", "two"}


def test_align(name, family, exp, data, run, tmp_path):
    done = run("align", exp, data / "test", tmp_path / "ali", can=family.can_align, names=[name])
    if family.can_align:
        assert "aligned 12, skipped 0" in done.out
    else:
        assert not (tmp_path / "ali").exists()


def test_training_in_steps(name, family, exp, data, run, tmp_path):
    """init-model, acc-stats, sum-accs, est-model: for a family whose training adds up."""
    if family.has_codes:
        tmp_path.joinpath("codebook.npz").write_bytes((exp / "codebook.npz").read_bytes())
    can, parts = family.adds_up, [data / "train" / "split3" / str(part) for part in (1, 2, 3)]
    run("init-model", data / "train", tmp_path, *options(name), can=can, names=[name])
    model = tmp_path / "0.npz" if can else exp / "final.npz"
    for method in METHODS:
        sums = [tmp_path / f"{method}.{part.name}.acc" for part in parts]
        for part, path in zip(parts, sums, strict=True):
            run("acc-stats", model, part, path, "--method", method, can=can, names=[name])
            assert path.exists() == can
        if can:
            run("sum-accs", tmp_path / "whole.acc", *sums)
            run("info", tmp_path / "whole.acc")
    for grow in ("false", "true"):
        new = tmp_path / f"{grow}.npz"
        run("est-model", model, tmp_path / "whole.acc", new, "--grow", grow, can=can, names=[name])
        if can:
            run("decode", new, data / "test", tmp_path / "decode")
            assert f"family: {name}" in run("info", new).out


@pytest.mark.parametrize("adapt", ["none", MAP, MLLR])
def test_crossval(name, family, data, run, tmp_path, adapt):
    can = adapt in ("none", *family.adaptations)
    words = ("--folds=3", "--adapt", adapt, *raced(name))
    done = run("crossval", data / "all", tmp_path / "cv", *words, can=can, names=[name])
    if not can:
        assert f"--adapt {adapt}: a {name} can't be adapted by {adapt}" in done.complaint
        assert not (tmp_path / "cv").exists(), "said before anything is trained"
        return
    assert "%WER " in done.out and (tmp_path / "cv" / "fold_3" / "final.npz").exists()
    assert (tmp_path / "cv" / "fold_1" / "codebook.npz").exists() == family.has_codes
    if adapt == "none":
        run("score", data / "all", tmp_path / "cv")
        run("info", tmp_path / "cv" / "fold_1")


@pytest.mark.parametrize("command", ["learning-curve", "tune"])
def test_searches_refuse_what_the_family_cannot(name, family, data, run, tmp_path, command):
    for adapt in {MAP, MLLR, MLLR_MAP} - set(family.adaptations):
        places = [data / "train", data / "test"] if command == "learning-curve" else [data / "all"]
        run(command, *places, tmp_path / "exp", "--adapt", adapt, *raced(name), can=False, names=[name])
        assert not (tmp_path / "exp").exists()


@pytest.fixture
def no_pictures(monkeypatch):
    """They take longer than such trainings."""
    for plot in ("plot_tuning", "plot_learning_curve"):
        monkeypatch.setattr(f"asrkit.plots.words.{plot}", lambda *args: None)


def test_learning_curve(name, data, run, tmp_path, no_pictures):
    words = ("--counts=2,all", "--draws=1", *raced(name))
    done = run("learning-curve", data / "train", data / "test", tmp_path, *words)
    assert [line.split()[0] for line in done.out.splitlines()[1:3]] == ["2", "all"]


def test_tune(name, family, data, run, tmp_path, no_pictures):
    words = ("--minutes=0", "--folds=2", "--try", "max-iters", "1", "2", *raced(name))
    done = run("tune", data / "all", tmp_path, *words)
    head, first, second, *_ = done.out.splitlines()
    assert head.split()[0] == "max-iters" and len(first.split()) == len(second.split())
    rows = [line.split("\t") for line in (tmp_path / "tune.tsv").read_text().splitlines()]
    sizes = [int(row[rows[0].index("parameters")]) for row in rows[1:]]
    assert len(sizes) == 2 and min(sizes) > 0, "a model has parameters"
    assert (tmp_path / "codebook.conf").exists() == family.has_codes
    book = ["--config", tmp_path / "codebook.conf"]
    if family.has_codes:
        run("train-codebook", data / "train", tmp_path / "best", *book)
    run("train", data / "train", tmp_path / "best", "--config", tmp_path / "tuned.conf")


def test_tune_has_a_grid_of_its_own(name, family, data, run, tmp_path, no_pictures):
    """With nothing to try given: what every family may have, here fixed to a few."""
    words = [word for word in raced(name) if not word.startswith("--cmvn")]
    done = run("tune", data / "all", tmp_path, "--minutes=0", "--folds=2", *words)
    assert (
        done.out.splitlines()[0].split()[0] == "cmvn"
        and "cmvn speaker" in (tmp_path / "tune.json").read_text()
    )


def test_report_compare_and_combine(family, exp, other, data, run, tmp_path):
    decodes = [other / "decode_test", exp / "decode_test"]
    done = run("report", tmp_path / "report", data / "test", *decodes)
    assert len(done.out.splitlines()) == 3
    # an alignment is drawn of a family that can
    assert (tmp_path / "report" / "alignment.png").exists() == (family.has_states and family.can_align)
    assert "Set2" in run("compare", data / "test", *decodes, "--replications=10").out
    run("combine", tmp_path / "both", *decodes)
    held_out = ("--held-out", ",".join(map(str, decodes)))
    run("combine", tmp_path / "learned", *decodes, "--learn", data / "test", *held_out)
    assert run("score", data / "test", tmp_path / "learned").out.startswith("%WER ")


def test_info(name, family, exp, data, run):
    out = run("info", exp).out
    assert f"family: {name}" in out and "words: 2" in out and "features: dimension 5, kaldi MFCC" in out
    assert ("codebook: " in out) == family.has_codes
    assert (" Gaussians" in out) == family.has_gaussians
    run("info", exp / "final.npz")
    told = run("info", exp, "--word=two").out
    assert told.startswith(f"word two ({name}): ") and " parameters" in told.splitlines()[0]
    assert ("symbols from 0" in told) == family.has_codes
    assert ("standard deviations" in told) == family.has_gaussians
    assert list(json.loads(run("info", exp, "--json").out)["words"]) == ["one", "two"]


def test_teach_forget_and_merge(name, family, exp, data, run, tmp_path):
    model, other = tmp_path / "exp", tmp_path / "other"
    before = (exp / "final.npz").read_bytes()
    for folder in (model, other):
        folder.mkdir()
        (folder / "final.npz").write_bytes(before)
    wav = next((data / "wavs").rglob("*.wav"))
    run("teach", model, "new", wav, can=family.can_teach, names=() if family.can_teach else [name])
    run("forget", model, "new", can=family.can_teach)
    assert (model / "final.npz").read_bytes() == before
    run("forget", model, "one")
    run("forget", other, "two")
    names = () if family.can_merge else [name]
    done = run("merge", model, other, tmp_path / "out", can=family.can_merge, names=names)
    if family.can_merge:
        assert done.out.endswith("2 words of 2 models\n")
        run("decode", tmp_path / "out", data / "test", tmp_path / "decode")
        assert (tmp_path / "decode" / "hyp").read_text() == (exp / "decode_test" / "hyp").read_text()


def test_quantize(name, family, exp, data, run, tmp_path):
    run("quantize", exp, data / "test", tmp_path / "codes", can=family.has_codes, names=[name])
    assert (tmp_path / "codes" / "codes.scp").exists() == family.has_codes


def test_options_are_told(name, family, capsys):
    for command in ("train", "init-model", "crossval", "learning-curve", "tune"):
        done = Run(capsys, (command, "--family", name, "--help"))
        assert done.status == 0
        assert all(f"--{flag_name(field)} " in done.out for field in dataclasses.fields(family.Config()))
        own_book = command not in ("train", "init-model")
        assert ("--codebook-size " in done.out) == (family.has_codes and own_book)


def test_settings_that_cannot_be_from_python(name, family):
    training = TrainingSettings.of(name)
    for method in (MAP, MLLR, MLLR_MAP):
        listen = ListenConfig(adapt=method)
        if method in family.adaptations:
            assert RunSettings(training, listen).facts()["listen"]["adapt"] == method
        else:
            with pytest.raises(SettingsError, match=f"adapt={method}: a {name} can't be adapted by {method}"):
                RunSettings(training, listen)
