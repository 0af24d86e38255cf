"""Stepwise training that was killed at any mini-batch goes on from it, to the bytes of an undisturbed run."""

import kaldiio
import numpy as np
import pytest

from asrkit.io import store as store_module
from asrkit.io.files import write_table
from asrkit.io.kept_steps import FOLDER, KeptSteps
from asrkit.io.places import as_path
from asrkit.words.settings import TrainingSettings
from asrkit.workflows.train import train

SMALL = {
    "dhmm": {"num_states": 2, "codebook_size": 8, "codebook_max_iters": 2},
    "schmm": {"num_states": 2, "num_gauss": 4},
    "chmm": {"num_states": 2, "num_gauss": 4, "covariance": "diag", "min_count": 2},
    "gmm": {"num_gauss": 2, "num_starts": 2, "covariance": "diag"},
}
every_family = pytest.mark.parametrize("family", SMALL)


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    utts = {f"{word}-{take:02d}": word for word in ("eins", "zwei") for take in range(16)}
    feats = {
        utt: np.cumsum(rng.normal(size=(20 + place % 7, 4)), axis=0).astype("f")
        for place, utt in enumerate(sorted(utts))
    }
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    write_table(folder / "text", utts)
    (folder / "frame_shift").write_text("0.01\n")
    return folder


def settings_of(family):
    how = {
        "method": "stepwise",
        "passes": 2,
        "batch_frames": 100,
        "warps": "",
        "cmvn": "none",
        "calibrate": False,
    }
    return TrainingSettings.of(family, **how, **SMALL[family])


def content(folder):
    return {name: (as_path(folder) / name).read_bytes() for name in ("final.npz", "train.jsonl")}


@pytest.mark.parametrize(
    "family, exp", [*((family, "exp") for family in SMALL), ("gmm", "memory://steps/exp")]
)
@pytest.mark.bytes
def test_a_training_goes_on_from_the_mini_batch_that_was_done(data, tmp_path, monkeypatch, family, exp):
    settings, real, kills = settings_of(family), KeptSteps.save, 0
    train(data, tmp_path / "whole", settings)
    monkeypatch.chdir(tmp_path)
    if exp.startswith("memory:"):
        pytest.importorskip("fsspec", reason="fsspec is not installed (pip install -e '.[test]')")

    def save(self, facts, arrays):
        real(self, facts, arrays)
        found.append(facts)
        if len(found) == 1:
            raise Killed

    for _ in range(99):
        found = []
        with monkeypatch.context() as patch:
            patch.setattr(KeptSteps, "save", save)
            try:
                train(data, exp, settings, keep_s=0)
                break
            except Killed:
                kills += 1
    steps = [own["step"] for own in found[0].values()] if found else []
    assert kills > 5 and content(exp) == content("whole"), steps
    assert not (as_path(exp) / FOLDER).exists()
    assert not list(tmp_path.glob("memory:*"))


def test_what_was_kept_of_other_settings_or_is_damaged_is_not_taken(tmp_path):
    KeptSteps(tmp_path, 0, "these", 0).save({"a": 1}, {"a/x": np.ones(2)})
    assert (
        KeptSteps(tmp_path, 0, "others", 0).load() is None
        and KeptSteps(tmp_path, 1, "these", 0).load() is None
    )
    facts, arrays = KeptSteps(tmp_path, 0, "these", 0).load()
    assert facts == {"a": 1} and list(arrays) == ["a/x"]
    path = tmp_path / FOLDER / "0.npz"
    path.write_bytes(path.read_bytes()[:-40])
    assert KeptSteps(tmp_path, 0, "these", 0).load() is None


@every_family
@pytest.mark.bytes
def test_neither_jobs_nor_where_features_lie_matter(data, tmp_path, monkeypatch, family):
    train(data, tmp_path / "one", settings_of(family))
    monkeypatch.setattr(store_module, "MEMORY", 1000)
    train(data, tmp_path / "file", settings_of(family))
    train(data, tmp_path / "two", settings_of(family), jobs=2)
    assert content(tmp_path / "one") == content(tmp_path / "file") == content(tmp_path / "two")
