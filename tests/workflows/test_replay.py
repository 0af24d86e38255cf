"""What a decoding heard is found again: the models and features of each utterance give the scores that stand in scores.scp."""

import numpy as np
import pytest
from command import MFCC, asrkit
from synthetic import write_words

from asrkit.io.archive import read_matrix
from asrkit.io.data_dir import read_data_dir
from asrkit.io.decodings import read_facts
from asrkit.io.files import read_table
from asrkit.io.model_file import read_model
from asrkit.words.decoding import Scorer
from asrkit.workflows.replay import as_heard

SMALL = {
    "chmm": ["--num-states=3", "--max-iters=4"],
    "dhmm": ["--num-states=3", "--max-iters=4"],
    "dtw": ["--max-templates=2", "--num-frames=12"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two speakers say three words eight times; models of a third speaker's recordings."""
    top = tmp_path_factory.mktemp("world")
    name = "{word}_{speaker}_{take}.wav"
    write_words(top / "wavs", name, speakers=("anna", "bert"), takes=range(8))
    write_words(top / "others", name, speakers=("carl",), takes=range(8, 13))
    for part, wavs in (("test", "wavs"), ("train", "others")):
        asrkit("prepare-wavs", top / wavs, top / part, "--pattern", "{word}_{speaker}_{index}")
        asrkit("compute-mfcc", top / part, *MFCC)
    for family, options in SMALL.items():
        cmvn = [] if family == "dhmm" else ["--cmvn=map"]
        if family == "dhmm":
            asrkit("train-codebook", top / "train", top / family, "--codebook-size=16")
        asrkit("train", top / "train", top / family, "--family", family, *options, *cmvn)
    return top


def check(top, family, decode, data):
    vocabulary, facts = read_model(top / family), read_facts(decode)
    hyps, table = read_table(decode / "hyp"), read_table(decode / "scores.scp")
    wanted = list(table)[::5] + list(table)[-1:]
    found = {
        utt: Scorer(moved, facts["method"]).scores([(utt, feats)])[0]
        for utt, feats, moved in as_heard(vocabulary, data, facts, hyps, set(wanted), decode)
    }
    assert sorted(found) == sorted(set(wanted))
    for utt, scores in found.items():
        np.testing.assert_allclose(scores, read_matrix(table[utt]), rtol=1e-9)


@pytest.mark.parametrize("options", [
    [], ["--adapt=none"], ["--adapt=whole"], ["--adapt=map", "--adapt-passes=1", "--adapt-tau=3"], ["--adapt=mllr", "--adapt-passes=1", "--adapt-transform=bias"],
    ["--cmvn-memory=none"], ["--cmvn-memory=whole", "--adapt=none"], ["--min-confidence=0.9"], ["--method=forward"],
])  # fmt: skip
def test_a_decoding_that_learns_of_its_speakers(world, tmp_path, options):
    asrkit("decode", world / "chmm", world / "test", tmp_path, *options)
    check(world, "chmm", tmp_path, read_data_dir(world / "test"))


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
