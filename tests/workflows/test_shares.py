"""acc-stats --part, sum-accs and est-model: the bytes of train, whatever the number of shares."""

import shutil

import kaldiio
import numpy as np
import pytest
from command import asrkit

from asrkit.io import features as features_module
from asrkit.io import store

SMALL = {
    "gmm": ["--num-gauss=1"],
    "chmm": ["--num-states=2", "--covariance=diag"],
    "dhmm": ["--num-states=2", "--num-symbols=4"],
}
ITERS = 2
EQUAL = ["--calibrate=false", f"--max-iters={ITERS}", "--tol=0", "--delta-order=0", "--cmvn=none", "--warps="]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A word of nineteen blocks and one of one, their utterances and speakers mixed."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    feats, words = {}, {}
    for place in range(220):
        word, utt = "ab"[place % 20 == 0], f"{'xyz'[place % 3]}-{place:03d}"
        length = 500 + place % 7
        middle = np.where(np.arange(length)[:, None] < 200, 0.0, 2.0) + (word == "b")
        feats[utt], words[utt] = (middle + rng.normal(size=(length, 3))).astype(np.float32), word
    feats = {utt: feats[utt] for utt in sorted(feats)}
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    (folder / "text").write_text("".join(f"{utt} {words[utt]}\n" for utt in feats))
    (folder / "utt2spk").write_text("".join(f"{utt} {utt[0]}\n" for utt in feats))
    return folder


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """More blocks than are added up by themselves."""
    monkeypatch.setattr(store, "BLOCK", 5700)


def sums_of(model, data, exp, parts):
    """The files of all shares, the last one first."""
    files = []
    for part in range(parts, 0, -1):
        files.append(exp / f"{part}.{parts}.acc")
        asrkit("acc-stats", model, data, files[-1], f"--part={part}", f"--parts={parts}")
    return files


@pytest.fixture
def noted(data, tmp_path):
    """The data directory with the lengths of its utterances: a copy."""
    folder = tmp_path / "noted"
    shutil.copytree(data, folder)
    lengths = {utt: len(feats) for utt, feats in kaldiio.load_scp(str(folder / "feats.scp")).items()}
    (folder / "utt2num_frames").write_text("".join(f"{utt} {length}\n" for utt, length in lengths.items()))
    return folder


@pytest.mark.bytes
@pytest.mark.parametrize("options", [["--warps="], ["--warps=0.9", "--cmvn=utterance"], ["--cmvn=speaker"]])
def test_a_share_reads_its_own_utterances_alone(data, noted, tmp_path, monkeypatch, options):
    """Where the lengths are known, and to the bytes of a whole; of speakers the statistics are of all they said."""
    read, real = [], features_module.FeatureSet._transformed

    def transformed(self, some, factor, memory, heard):
        read.extend(utt for utt, _ in some if factor is None)
        return real(self, some, factor, memory, heard)

    asrkit("init-model", data, tmp_path, "--family=gmm", "--num-gauss=1", *EQUAL, *options)
    asrkit("acc-stats", tmp_path / "0.npz", data, tmp_path / "one.acc")
    monkeypatch.setattr(features_module.FeatureSet, "_transformed", transformed)
    asrkit("sum-accs", tmp_path / "sum.acc", *sums_of(tmp_path / "0.npz", noted, tmp_path, 5))
    assert (tmp_path / "sum.acc").read_bytes() == (tmp_path / "one.acc").read_bytes()
    assert set(read) == set(feats_of(data)) and len(read) <= 1.2 * len(set(read)), "copies are cut apart, too"
    read.clear()
    sums_of(tmp_path / "0.npz", data, tmp_path, 5)
    assert len(read) == 5 * len(feats_of(data)), "without lengths each reads all"


def feats_of(folder):
    return [line.split()[0] for line in (folder / "feats.scp").read_text().splitlines()]


def test_lengths_that_are_wrong_and_utterances_that_cannot_be_used_are_named(noted, tmp_path, capsys):
    asrkit("init-model", noted, tmp_path, "--family=gmm", "--num-gauss=1", *EQUAL)
    share = ["acc-stats", tmp_path / "0.npz", noted, tmp_path / "1.acc", "--part=2", "--parts=2"]
    lines = (noted / "utt2num_frames").read_text().splitlines()
    (noted / "utt2num_frames").write_text("\n".join([lines[0][:-3] + "499", *lines[1:]]) + "\n")
    capsys.readouterr()
    asrkit(*share, status=1)
    says = capsys.readouterr().err.splitlines()[-1]
    assert "utt2num_frames: 'x-000': 499 frames, where it has 500 (asrkit compute-mfcc" in says
    (noted / "utt2num_frames").write_text("\n".join(lines) + "\n")
    feats = {utt: own.copy() for utt, own in kaldiio.load_scp(str(noted / "feats.scp")).items()}
    feats["x-000"][3] = np.nan
    kaldiio.save_ark(str(noted / "feats.ark"), feats, scp=str(noted / "feats.scp"))
    asrkit(*share, "--max-skipped=999", status=1)
    says = capsys.readouterr().err.splitlines()[-1]
    assert "utterance 'x-000': " in says and "without utt2num_frames each share reads all" in says
    (noted / "utt2num_frames").write_text("\n".join(lines[1:]) + "\n")  # one lacks: all are read
    asrkit(*share, "--max-skipped=999")


@pytest.mark.bytes
@pytest.mark.parametrize("family", SMALL)
def test_shares_add_up_to_the_bytes_of_one_process(family, data, tmp_path, capsys):
    options = ["--family", family, *SMALL[family], *EQUAL]
    asrkit("train", data, tmp_path / "whole", *options)
    asrkit("init-model", data, tmp_path, *options)
    for step in range(ITERS + 1):
        model = tmp_path / f"{step}.npz"
        asrkit("acc-stats", model, data, tmp_path / "one.acc")
        for parts in (2, 7) if step == 0 else (3,):
            asrkit("sum-accs", tmp_path / "sum.acc", *sums_of(model, data, tmp_path, parts))
            assert (tmp_path / "sum.acc").read_bytes() == (tmp_path / "one.acc").read_bytes()
        finish = str(step == ITERS).lower()
        new = tmp_path / f"{step + 1}.npz"
        asrkit("est-model", model, tmp_path / "sum.acc", new, "--finish", finish)
    assert new.read_bytes() == (tmp_path / "whole" / "final.npz").read_bytes()


def test_shares_in_steps_and_what_is_no_whole(data, tmp_path, capsys):
    options = ["--family=chmm", *SMALL["chmm"], *EQUAL]
    asrkit("init-model", data, tmp_path, *options)
    model = tmp_path / "0.npz"
    first, second, third = sums_of(model, data, tmp_path, 3)
    asrkit("acc-stats", model, data, tmp_path / "one.acc")
    asrkit("sum-accs", tmp_path / "two", first, third)
    capsys.readouterr()
    asrkit("info", tmp_path / "two")
    assert "blocks: " in capsys.readouterr().out
    asrkit("sum-accs", tmp_path / "three", tmp_path / "two", second)
    assert (tmp_path / "three").read_bytes() == (tmp_path / "one.acc").read_bytes()
    for words, says in (
        (("est-model", model, tmp_path / "two", tmp_path / "no.npz"), "statistics of a share of the data"),
        (("sum-accs", tmp_path / "no", tmp_path / "two", first), "comes twice"),
        (("sum-accs", tmp_path / "no", first, tmp_path / "one.acc"), "of a share"),
    ):
        asrkit(*words, status=1)
        assert says in capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(SystemExit):
        asrkit("acc-stats", model, data, tmp_path / "no", "--part=3", "--parts=2")
    assert "--part 3 --parts 2: parts count from 1" in capsys.readouterr().err
    assert not (tmp_path / "no").exists() and not (tmp_path / "no.npz").exists()
