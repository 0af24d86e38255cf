"""train and compute-mfcc that were killed go on from what was finished, to the bytes of an undisturbed run."""

import json
import subprocess
import sys
import time

import kaldiio
import numpy as np
import pytest
import soundfile

from asrkit import families
from asrkit.errors import DataError
from asrkit.features.kinds.fbank import FbankConfig
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.io.archive import read_ark
from asrkit.io.features import ReadConfig
from asrkit.io.files import write_table
from asrkit.io.kept_groups import FOLDER
from asrkit.words.settings import TrainingSettings
from asrkit.workflows import train as train_module
from asrkit.workflows.compute_features import UNFINISHED, RecordingConfig, compute_features
from asrkit.workflows.train import train

WORDS = ("eins", "zwei", "drei", "vier", "fünf")
SMALL = {
    "dtw": {"num_frames": 8},
    "dhmm": {"num_states": 2, "codebook_size": 8, "codebook_max_iters": 2},
    "schmm": {"num_states": 2},
    "chmm": {"num_states": 2, "num_gauss": 2},
    "gmm": {"num_gauss": 2},
}
SHARED = {"shared_frames": 30.0}


class Killed(BaseException):
    pass


def content(folder):
    """Every file below a folder, hidden ones among them, but for old tables; train.json without the seconds."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != ".backup"]
    found = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    if "train.json" in found:
        found["train.json"] = {**json.loads(found["train.json"]), "seconds": None}
    return found


# train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    utts = {f"{word}-{take}": word for word in WORDS for take in range(6)}
    feats = {
        utt: np.cumsum(rng.normal(size=(20 + place % 7, 4)), axis=0).astype("f")
        for place, utt in enumerate(sorted(utts))
    }
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    write_table(folder / "text", utts)
    (folder / "frame_shift").write_text("0.01\n")
    return folder


@pytest.fixture(autouse=True)
def a_word_a_group(monkeypatch):
    monkeypatch.setattr(train_module, "GROUP", 1)


def settings_of(family, **more):
    own = SMALL.get(family, {"num_states": 2} if families.load(family).has_states else {})
    return TrainingSettings.of(family, max_iters=3, warps="", cmvn="none", **{**own, **more})


def kill_after(monkeypatch, count):
    """Let the training of words break off after so many groups, as a kill would; undo ends it."""
    real, done = train_module.train_group, []

    def work(*arguments):
        if len(done) == count:
            raise Killed
        done.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(train_module, "train_group", work)
    return done


@pytest.mark.parametrize("family, more", [*((name, {}) for name in families.names()), ("chmm", SHARED)])
@pytest.mark.bytes
def test_a_training_goes_on_from_the_words_that_were_done(data, tmp_path, monkeypatch, caplog, family, more):
    caplog.set_level("INFO")
    settings = settings_of(family, **more)
    train(data, tmp_path / "whole", settings)
    for count in (3, 5):
        with monkeypatch.context() as patch:
            kill_after(patch, 3)
            with pytest.raises(Killed):
                train(data, tmp_path / "exp", settings, keep_s=0)
        assert sorted(path.name for path in (tmp_path / "exp").iterdir()) == [FOLDER]
        if count == 5:  # all words are done, and what follows breaks off
            with monkeypatch.context() as patch:
                patch.setattr(train_module, "vocabulary_of", lambda *_: (_ for _ in ()).throw(Killed))
                with pytest.raises(Killed):
                    train(data, tmp_path / "exp", settings, keep_s=0)
        with monkeypatch.context() as patch:
            done = kill_after(patch, 99)
            caplog.clear()
            train(data, tmp_path / "exp", settings)
        assert len(done) == 5 - count and f"goes on: {count} of 5 groups of words were done" in caplog.text
        assert content(tmp_path / "exp") == content(tmp_path / "whole")
        for path in (tmp_path / "exp").iterdir():
            path.unlink()


@pytest.mark.parametrize("change", ["settings", "data", "codebook", "family"])
def test_what_other_settings_or_data_have_left_is_discarded(data, tmp_path, monkeypatch, caplog, change):
    caplog.set_level("INFO")
    changed = {"settings": {"num_states": 3}, "codebook": {"codebook_max_iters": 1}}.get(change, {})
    family = "gmm" if change in ("family", "data") else "dhmm"
    with monkeypatch.context() as patch:
        kill_after(patch, 3)
        with pytest.raises(Killed):
            train(data, tmp_path / "exp", settings_of("gmm" if change == "data" else "dhmm"), keep_s=0)
    if change == "data":
        (tmp_path / "data").mkdir()
        for name in ("text", "feats.scp", "frame_shift"):
            lines = (data / name).read_text().splitlines(keepends=True)
            (tmp_path / "data" / name).write_text("".join(lines[1:] or lines))
        data = tmp_path / "data"
    train(data, tmp_path / "exp", settings_of(family, **changed))
    train(data, tmp_path / "whole", settings_of(family, **changed))
    assert "goes on" not in caplog.text and content(tmp_path / "exp") == content(tmp_path / "whole")


def test_a_quick_training_writes_nothing_but_its_results(data, tmp_path, monkeypatch):
    kill_after(monkeypatch, 3)
    with pytest.raises(Killed):
        train(data, tmp_path / "exp", settings_of("gmm"))
    assert not list(tmp_path.iterdir())


def kill_when(script, arguments, path, lines):
    """Run a script in another process, and kill it as soon as a file has so many lines."""
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)])
    while process.poll() is None and not (path.exists() and path.read_bytes().count(b"\n") >= lines):
        time.sleep(0.002)
    process.kill()
    process.wait()


TRAIN = """
import sys
from asrkit.words.settings import TrainingSettings
from asrkit.workflows import train as module
module.GROUP = 1
module.train(sys.argv[1], sys.argv[2], TrainingSettings.of("gmm", num_gauss=2, max_iters=3, warps="", cmvn="none"), keep_s=0)
"""


def test_a_training_that_was_really_killed_goes_on(data, tmp_path, caplog):
    caplog.set_level("INFO")
    exp = tmp_path / "exp"
    kill_when(TRAIN, [data, exp], exp / FOLDER / "record", 1)
    before = sorted(path.name for path in exp.iterdir())
    trained = train(data, exp, settings_of("gmm"), jobs=2)
    train(data, tmp_path / "whole", settings_of("gmm"), jobs=2)
    assert content(exp) == content(tmp_path / "whole") and list(trained.vocabulary.words) == sorted(WORDS)
    assert "goes on" in caplog.text or FOLDER not in before  # it may have been quicker than the kill


# compute


@pytest.fixture
def recorded(tmp_path):
    folder, rng = tmp_path / "recorded", np.random.default_rng(0)
    folder.mkdir()
    for place in range(9):
        samples = rng.uniform(-0.1, 0.1, (1600 + 80 * place, 2 if place == 2 else 1))
        soundfile.write(folder / f"u{place}.wav", samples, 8000)
    write_table(folder / "wav.scp", {f"u{place}": folder / f"u{place}.wav" for place in range(9)})
    return folder


@pytest.fixture
def whole(recorded):
    """A function: what an undisturbed run makes, in the same place."""

    def clear():
        for path in sorted(recorded.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
            elif path.suffix != ".wav" and path.name != "wav.scp":
                path.unlink()

    def make(kind=None, jobs=1, **more):
        clear()
        compute_features(recorded, kind or kind_of("mfcc"), jobs=jobs, chunk=2, little=0, **more)
        found = content(recorded)
        clear()
        return found

    return make


def kind_of(name):
    return {"mfcc": MfccConfig, "fbank": FbankConfig}[name](sample_rate_hz=8000)


class KilledAt:
    """Compute features, and break off at the recording of so many samples."""

    def __init__(self, kind, samples):
        self.kind, self.samples = kind, samples

    def __call__(self, samples):
        if len(samples) == self.samples:
            raise Killed
        return self.kind.compute(samples)


def killed(folder, kind, place, options=None):
    with pytest.raises(Killed):
        compute_features(folder, kind, options, chunk=2, compute=KilledAt(kind, 1600 + 80 * place))
    return content(folder)


@pytest.mark.parametrize("name, options", [("mfcc", {}), ("fbank", {"compress": 2})])
@pytest.mark.parametrize("jobs", [1, 2, 7])
@pytest.mark.bytes
def test_features_go_on_from_the_recordings_that_were_done(recorded, whole, caplog, name, options, jobs):
    caplog.set_level("INFO")
    kind, options = kind_of(name), RecordingConfig(**options)
    undisturbed = whole(kind, jobs, options=options)
    assert len([path for path in undisturbed if path.endswith(".ark")]) == jobs
    for place, done in ((1, 0), (5, 4), (8, 8)):
        caplog.clear()
        killed(recorded, kind, place, options)
        assert not done or (recorded / "data" / UNFINISHED).exists()
        compute_features(recorded, kind, options, jobs=jobs, chunk=2)
        assert ("goes on" in caplog.text) == bool(done) and (
            not done or f"goes on: {done} of 9 recordings were done" in caplog.text
        )
        assert content(recorded) == undisturbed
        assert "1 recordings (u2, ...) have several channels" in caplog.text
    arks = [recorded / "data" / f"raw_{name}_recorded.{job}.ark" for job in range(1, jobs + 1)]
    assert [key for ark in arks for key, _ in read_ark(ark)] == [f"u{place}" for place in range(9)]


@pytest.mark.parametrize("change", ["kind", "settings", "recording", "table"])
def test_features_of_other_settings_or_recordings_are_made_anew(recorded, whole, caplog, change):
    caplog.set_level("INFO")
    killed(recorded, kind_of("mfcc"), 8)
    kind = kind_of("fbank" if change == "kind" else "mfcc")
    options = RecordingConfig(min_duration=0.205 if change == "settings" else 0)
    read = ReadConfig(max_skipped=9)
    if change == "recording":  # the third chunk, of four that were done
        soundfile.write(recorded / "u4.wav", np.random.default_rng(1).uniform(-0.1, 0.1, 2000), 8000)
    if change == "table":
        write_table(recorded / "wav.scp", {f"u{place}": recorded / f"u{8 - place}.wav" for place in range(9)})
    compute_features(recorded, kind, options, read=read, chunk=2)
    assert ("goes on: 4 of 9" in caplog.text) == ("goes on" in caplog.text) == (change == "recording")
    found = content(recorded)
    assert found == whole(kind, options=options, read=read)


def test_a_run_that_fails_at_the_end_leaves_nothing(recorded):
    (recorded / "u3.wav").write_bytes(b"")
    before = content(recorded)
    with pytest.raises(DataError, match="skipped 1"):
        compute_features(recorded, kind_of("mfcc"), chunk=2)
    assert content(recorded) == before


COMPUTE = """
import sys
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.workflows.compute_features import compute_features
compute_features(sys.argv[1], MfccConfig(sample_rate_hz=8000), chunk=2)
"""


def test_a_computation_that_was_really_killed_goes_on(recorded, whole):
    undisturbed = whole(jobs=2)
    kill_when(COMPUTE, [recorded], recorded / "data" / UNFINISHED / "record", 1)
    compute_features(recorded, kind_of("mfcc"), jobs=2, chunk=2)
    assert content(recorded) == undisturbed
