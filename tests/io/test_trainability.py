"""What train refuses or warns of, validate-data has said."""

import logging

import numpy as np
import pytest

from asrkit.errors import DataError
from asrkit.io.files import write_table
from asrkit.words.settings import TrainingSettings
from asrkit.workflows.train import train
from asrkit.workflows.validate_data import Checks, validate_data

UTTS = [f"{name}-{word}-{take}" for name in "ab" for word in ("no", "yes") for take in range(3)]
SETTINGS = TrainingSettings.of("chmm", num_gauss=1, max_iters=2)


def feats(frames=30, dim=3):
    return np.random.default_rng(frames).normal(0, 1, (frames, dim))


def with_value(value):
    array = feats()
    array[3, 1] = value
    return array


def say(folder, utt, text):
    lines = (folder / "text").read_text().splitlines()
    (folder / "text").write_text(
        "".join(f"{utt} {text}\n" if line.startswith(utt) else f"{line}\n" for line in lines)
    )


def put(array):
    return lambda folder: np.save(folder / "a-no-0.npy", array)


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def drop(name, line):
    def damage(folder):
        lines = (folder / name).read_text().splitlines()
        del lines[line]
        (folder / name).write_text("".join(f"{line}\n" for line in lines))

    return damage


# One damage each, and what is said of it.
DAMAGES = {
    "two words": (lambda folder: say(folder, "a-no-0", "no no"), "one word is needed"),
    "a long word": (lambda folder: say(folder, "a-no-0", "n" * 1001), "1001 bytes"),
    "no word": (lambda folder: say(folder, "a-no-0", ""), "empty transcript"),
    "a NUL": (lambda folder: say(folder, "a-no-0", "n\0"), "U+0000"),
    "a no-break space": (lambda folder: say(folder, "a-no-0", "n\u00a0o"), "U+00A0"),
    "no text": (lambda folder: (folder / "text").unlink(), "no such file"),
    "no line in text": (drop("text", 2), "is not in text"),
    "no line in feats.scp": (drop("feats.scp", 2), "is not in feats.scp"),
    "no frames": (put(feats(0)), "0 frames"),
    "a frame": (put(feats(1)), "a-no-0: 1 frames <"),
    "another dimension": (put(feats(30, 4)), "dimension 4"),
    "no dimensions": (put(feats(30, 0)), "without any dimension"),
    "a vector": (put(np.zeros(5)), "a-no-0"),
    "NaN": (put(with_value(np.nan)), "NaN"),
    "infinite": (put(with_value(np.inf)), "infinite"),
    "infinite in float32": (put(with_value(1e200)), "too large for float32"),
    "no numbers": (lambda folder: (folder / "a-no-0.npy").write_bytes(b"x"), "a-no-0"),
    "no file": (lambda folder: (folder / "a-no-0.npy").unlink(), "a-no-0"),
    "a pipe": (lambda folder: (folder / "feats.scp").write_text((folder / "feats.scp").read_text().replace("a-no-0 ", "a-no-0 cat |", 1).replace(".npy", "|", 1)), "pipe"),
    "unknown kind": (write("frontend.conf", "--kind=none\n"), "frontend.conf"),
    "unknown setting": (write("frontend.conf", "--kind=mfcc\n--num-caps=3\n"), "frontend.conf:2"),
    "endpoints": (write("endpoint.conf", "--no-setting=3\n"), "endpoint.conf:1"),
    "unsorted": (lambda folder: (folder / "text").write_text("\n".join(reversed((folder / "text").read_text().splitlines())) + "\n"), "C-locale"),
    "segments": (write("segments", "a-no-0 rec 1 0\n"), "segments:1"),
    "a word that cannot be used": (lambda folder: [np.save(folder / f"{utt}.npy", feats(0)) for utt in UTTS if "no" in utt], "word 'no' has no utterance"),
}  # fmt: skip


# What train may leave out or bear, as it is told by others.
LEFT_OPEN = ("a-no-0: 1 frames <", "hold NaN or infinite values")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    for utt in UTTS:
        np.save(path / f"{utt}.npy", feats())
    write_table(path / "feats.scp", {utt: f"{path}/{utt}.npy" for utt in UTTS})
    write_table(path / "text", {utt: utt.split("-")[1] for utt in UTTS})
    write_table(path / "utt2spk", {utt: utt[0] for utt in UTTS})
    write_table(path / "spk2utt", {name: " ".join(utt for utt in UTTS if utt[0] == name) for name in "ab"})
    return path


def refusal(folder):
    try:
        train(folder, folder.parent / "exp", SETTINGS)
    except DataError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_what_train_refuses_was_said(folder, damage, said, caplog):
    """Some of these it may leave out or mend instead: then it need not refuse, but a sound directory it never refuses."""
    damage(folder)
    told = "\n".join(validate_data(folder, checks=Checks(no_wav=True)).faults) + caplog.text
    assert said in told
    if said not in LEFT_OPEN:
        assert refusal(folder) is not None


def test_a_sound_directory_is_trained_and_has_no_faults(folder, caplog):
    assert validate_data(folder, checks=Checks(no_wav=True)).faults == [] and not caplog.records
    assert refusal(folder) is None


def test_few_recordings_are_a_warning_of_both(folder, caplog):
    for name in ("feats.scp", "text", "utt2spk"):
        drop(name, 0)(folder)
        drop(name, 0)(folder)
    (folder / "spk2utt").write_text(
        "a a-no-2 a-yes-0 a-yes-1 a-yes-2\nb b-no-0 b-no-1 b-no-2 b-yes-0 b-yes-1 b-yes-2\n"
    )
    for work in (lambda: validate_data(folder, checks=Checks(no_wav=True)), lambda: refusal(folder)):
        caplog.clear()
        work()
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert any("1 words have fewer than 5 recordings (no, ...): expect errors" in line for line in said)


def test_sentences_are_no_fault_where_they_are_meant(folder):
    say(folder, "a-no-0", "no no")
    assert validate_data(folder, checks=Checks(no_wav=True, sentences=True)).faults == []
