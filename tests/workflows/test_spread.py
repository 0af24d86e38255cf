"""Few words with many data: their blocks go wherever work runs, and the bytes are those of one process, killed or not."""

import kaldiio
import numpy as np
import pytest

from asrkit.errors import DataError, StoreError
from asrkit.io import store as store_module
from asrkit.io.files import write_table
from asrkit.io.kept_groups import KeptGroups
from asrkit.io.pieces import Pieces
from asrkit.words import spread as spread_module
from asrkit.words.settings import TrainingSettings
from asrkit.words.spread import Spread
from asrkit.workflows import train as train_module
from asrkit.workflows.train import train

SMALL = {
    "dhmm": {"num_states": 2, "codebook_size": 8, "codebook_max_iters": 2, "smooth": 2},
    "schmm": {"num_states": 2, "num_gauss": 4},
    "chmm": {"num_states": 2, "num_gauss": 4, "covariance": "full", "min_count": 2, "shared_frames": 50},
    "gmm": {"num_gauss": 2, "num_starts": 2, "covariance": "diag"},
}
every_family = pytest.mark.parametrize("family", SMALL)


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    utts = {f"{word}-{take:03d}": word for word in ("eins", "zwei") for take in range(100)}
    feats = {
        utt: np.cumsum(rng.normal(size=(12 + place % 7, 4)), axis=0).astype("f")
        for place, utt in enumerate(sorted(utts))
    }
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    write_table(folder / "text", utts)
    (folder / "frame_shift").write_text("0.01\n")
    return folder


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Some twenty blocks a word, in a file; each word a group."""
    monkeypatch.setattr(train_module, "GROUP", 0)
    monkeypatch.setattr(store_module, "MEMORY", 0)
    monkeypatch.setattr(store_module, "BLOCK", 70)


def settings_of(family, **more):
    how = {"max_iters": 4, "warps": "", "cmvn": "none", "calibrate": False, **more}
    return TrainingSettings.of(family, **how, **SMALL[family])


def content(folder):
    return {name: (folder / name).read_bytes() for name in ("final.npz", "train.jsonl")}


@pytest.fixture
def rounds(monkeypatch):
    """The iterations whose data were looked at."""
    seen, real = [], spread_module.ordered_map

    def map_of(function, items, *, jobs, label):
        seen.append(label)
        return real(function, items, jobs=jobs, label=label)

    monkeypatch.setattr(spread_module, "ordered_map", map_of)
    return seen


@every_family
@pytest.mark.bytes
def test_blocks_that_are_spread_change_no_byte(data, tmp_path, family, rounds):
    settings = settings_of(family, method="baum-welch" if family == "chmm" else "viterbi")
    train(data, tmp_path / "one", settings)
    assert not rounds
    train(data, tmp_path / "three", settings, jobs=3, keep_s=0)
    assert "iteration 2" in rounds
    assert content(tmp_path / "one") == content(tmp_path / "three")
    left = {path.name for path in (tmp_path / "three").iterdir()}
    assert not [name for name in left if name.startswith(".")]


@every_family
def test_a_training_goes_on_from_the_iterations_that_were_done(data, tmp_path, monkeypatch, family, rounds):
    settings, real, kills = settings_of(family), Spread.accumulate, 0
    train(data, tmp_path / "whole", settings)

    def accumulate(self, wanted, own):
        nonlocal kills
        if len(rounds) - before == 3:  # another iteration, after what each try may do
            kills += 1
            raise Killed
        return real(self, wanted, own)

    monkeypatch.setattr(Spread, "accumulate", accumulate)
    for _ in range(60):
        before = len(rounds)
        try:
            train(data, tmp_path / "killed", settings, jobs=2, keep_s=0)
            break
        except Killed:
            pass
    assert kills >= 2
    assert content(tmp_path / "whole") == content(tmp_path / "killed")
    assert not [path for path in (tmp_path / "killed").iterdir() if path.name.startswith(".")]


def test_sums_of_other_words_are_not_taken(data, tmp_path, monkeypatch, rounds):
    """Two words advance together, then one process finishes the first of them, then the other is spread alone."""
    settings, real, add = settings_of("gmm"), Spread.accumulate, KeptGroups.add
    train(data, tmp_path / "whole", settings)

    def accumulate(self, wanted, own):
        if len(rounds) == 4:
            raise Killed
        return real(self, wanted, own)

    def add_one(self, results):
        add(self, results)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Spread, "accumulate", accumulate)
        train(data, tmp_path / "exp", settings, jobs=2, keep_s=0)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(KeptGroups, "add", add_one)
        train(data, tmp_path / "exp", settings, keep_s=0)
    before = len(rounds)
    train(data, tmp_path / "exp", settings, jobs=2, keep_s=0)
    assert rounds[before : before + 2] == ["words, first models", "iteration 1"]
    assert content(tmp_path / "exp") == content(tmp_path / "whole")


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("error", [DataError, StoreError])
def test_what_cannot_be_kept_ends_no_training(data, tmp_path, monkeypatch, caplog, error, jobs):
    """A full disk, or a store that does not answer for a while."""
    train(data, tmp_path / "whole", settings_of("gmm"))

    def refuse(self, content, facts):
        raise error("it: cannot be written")

    monkeypatch.setattr(Pieces, "append", refuse)
    train(data, tmp_path / "exp", settings_of("gmm"), jobs=jobs, keep_s=0)
    assert sum("kept, if this training is killed" in text for text in caplog.messages) == 1
    assert content(tmp_path / "exp") == content(tmp_path / "whole")
