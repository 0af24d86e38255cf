"""What a decoding heard is found again: the models and features of each utterance give the scores that stand in scores.scp."""

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from synthetic import RATE_HZ, word_samples

from asrkit.io.archive import read_matrix
from asrkit.io.data_dir import read_data_dir
from asrkit.io.decodings import read_facts
from asrkit.io.files import read_table, write_table
from asrkit.io.model_file import read_model
from asrkit.words.decoding import Scorer
from asrkit.workflows.replay import as_heard

SMALL = {
    "chmm": ["--num-states=3", "--max-iters=4"],
    "dhmm": ["--num-states=3", "--max-iters=4"],
    "dtw": ["--max-templates=2", "--num-frames=12"],
}


def write_data(top, part, speakers, takes):
    """Recordings whose names let the words come in mixed order."""
    tables = {"wav.scp": {}, "text": {}, "utt2spk": {}}
    (top / part).mkdir()
    for s, speaker in enumerate(speakers):
        for take in range(takes):
            for word in ("one", "two", "three"):
                utt = f"{speaker}-{take:02}-{word}"
                samples = word_samples(word, np.random.default_rng([s, len(word), take]), 90 + 50 * s)
                soundfile.write(top / f"{utt}.wav", samples, RATE_HZ)
                values = {"wav.scp": str(top / f"{utt}.wav"), "text": word, "utt2spk": speaker}
                for name, value in values.items():
                    tables[name][utt] = value
    for name, table in tables.items():
        write_table(top / part / name, dict(sorted(table.items())))
    asrkit("compute-mfcc", top / part, *MFCC)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two speakers say three words eight times; models of one speaker's recordings."""
    top = tmp_path_factory.mktemp("world")
    write_data(top, "train", ("carl",), 5)
    write_data(top, "test", ("anna", "bert"), 8)
    for family, options in SMALL.items():
        cmvn = [] if family == "dhmm" else ["--cmvn=map"]
        if family == "dhmm":
            asrkit("train-codebook", top / "train", top / family, "--codebook-size=16")
        asrkit("train", top / "train", top / family, "--family", family, *options, *cmvn)
    return top


def check(top, family, decode, data):
    vocabulary, facts = read_model(top / family), read_facts(decode)
    hyps, table = read_table(decode / "hyp"), read_table(decode / "scores.scp")
    wanted, found, moved_at = list(table)[::3] + list(table)[-1:], {}, set()
    for utt, feats, moved in as_heard(vocabulary, data, facts, hyps, set(wanted), decode):
        found[utt] = Scorer(moved, facts["method"]).scores([(utt, feats)])[0]
        if moved is not vocabulary:
            moved_at.add(utt)
    assert sorted(found) == sorted(set(wanted))
    for utt, scores in found.items():
        np.testing.assert_allclose(
            scores, read_matrix(table[utt]), rtol=1e-6, atol=2e-3
        )  # float32 in other company
    return moved_at, hyps


@pytest.mark.parametrize("options", [
    [], ["--adapt=none"], ["--adapt=whole"], ["--adapt=map", "--adapt-passes=1", "--adapt-tau=3"], ["--adapt=mllr", "--adapt-passes=1", "--adapt-transform=bias"],
    ["--cmvn-memory=none"], ["--cmvn-memory=whole", "--adapt=none"], ["--min-confidence=0.9"], ["--method=forward"],
])  # fmt: skip
def test_a_decoding_that_learns_of_its_speakers(world, tmp_path, options):
    asrkit("decode", world / "chmm", world / "test", tmp_path, *options)
    moved_at, hyps = check(world, "chmm", tmp_path, read_data_dir(world / "test"))
    learns = not options or "none" not in options[0] or "cmvn" in options[0]
    assert bool(moved_at) == (learns and "--adapt=none" not in options)
    if "--min-confidence=0.9" in options:
        rejected = [utt for utt, word in hyps.items() if word == "<unk>"]
        assert 0 < len(rejected) < len(hyps) / 2, "of these nothing is learned"


@pytest.mark.parametrize("family, options", [("dhmm", []), ("dhmm", ["--adapt=map"]), ("dtw", [])])
def test_families_that_learn_otherwise_or_not(world, tmp_path, family, options):
    asrkit("decode", world / family, world / "test", tmp_path, *options)
    check(world, family, tmp_path, read_data_dir(world / "test"))


def test_recordings_whose_features_are_made_on_the_way(world, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("wav.scp", "utt2spk", "text"):
        (tmp_path / "data" / name).write_bytes((world / "test" / name).read_bytes())
    asrkit("decode", world / "chmm", tmp_path / "data", tmp_path / "out")
    check(world, "chmm", tmp_path / "out", read_data_dir(tmp_path / "data"))
