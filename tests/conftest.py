"""Fixtures that several test files share."""

import compileall
import sys
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

LONG = ("test_pages", "test_speechocean", "test_recipe", "test_cross")


def pytest_configure(config):
    """Where Python keeps no compiled modules, each of hundreds of commands would compile the package anew, a sixth of what it takes."""
    if sys.dont_write_bytecode and not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(__file__).resolve().parents[1] / "asrkit", quiet=2)


def pytest_collection_modifyitems(items):
    """The longest come first: the last test that runs alone lets the other processes wait."""
    items.sort(key=lambda item: not item.module.__name__.endswith(LONG))


@pytest.fixture
def make_data_dir(tmp_path):
    """A function that writes a sound data directory: amy, bob and cid each say no and yes, 0.25 s a word at 8
    kHz.
    """

    def make(segments=False):
        folder = tmp_path / "data"
        (folder / "wav").mkdir(parents=True)
        rng = np.random.default_rng(0)
        speakers = ("amy", "bob", "cid")
        utts = {f"{speaker}-{word}": (speaker, word) for speaker in speakers for word in ("no", "yes")}
        for name in speakers if segments else utts:
            soundfile.write(
                folder / "wav" / f"{name}.wav", rng.uniform(-0.1, 0.1, 4000 if segments else 2000), 8000
            )

        def write(name, lines):
            (folder / name).write_text("".join(f"{line}\n" for line in lines))

        write("wav.scp", (f"{name} {folder}/wav/{name}.wav" for name in (speakers if segments else utts)))
        write("text", (f"{utt} {word}" for utt, (_, word) in utts.items()))
        write("utt2spk", (f"{utt} {speaker}" for utt, (speaker, _) in utts.items()))
        write("spk2utt", (f"{speaker} {speaker}-no {speaker}-yes" for speaker in speakers))
        write("spk2gender", ("amy f", "bob m", "cid m"))
        write("utt2num_frames", (f"{utt} 20" for utt in utts))
        write("utt2dur", (f"{utt} 0.25" for utt in utts))
        write("frame_shift", ("0.01",))
        write("frontend.conf", ("--num-ceps=4",))
        if segments:
            times = {"no": "0.0 0.25", "yes": "0.25 -1"}
            write("segments", (f"{utt} {speaker} {times[word]}" for utt, (speaker, word) in utts.items()))
        for name, keys, shape in (("feats", utts, (20, 4)), ("cmvn", speakers, (2, 5))):
            arrays = {key: rng.normal(size=shape).astype(np.float32) for key in keys}
            kaldiio.save_ark(str(folder / f"{name}.ark"), arrays, scp=str(folder / f"{name}.scp"))
        return folder

    return make
