"""check-leaks: the same recording in another dress is found, another take of the word is not."""

import re
import shutil

import numpy as np
import pytest
import soundfile
from synthetic import RATE_HZ, WORDS, word_samples, write_words

from asrkit.audio import duplicates
from asrkit.cli import main as cli
from asrkit.errors import DataError
from asrkit.io.archive import write_archive
from asrkit.io.files import read_table, write_table
from asrkit.workflows.check_leaks import check_leaks

UTT = "anna-two-1"  # what is found again


def status_of(*words):
    return cli.main([str(word) for word in words])


def resampled(samples, rate_hz):
    import soxr

    return soxr.resample(soxr.resample(samples, RATE_HZ, rate_hz)[1:], rate_hz, RATE_HZ)


def noisy(samples, snr_db):
    noise = np.random.default_rng(1).standard_normal(len(samples))
    return samples + noise * samples.std() * 10 ** (-snr_db / 20)


DRESSES = {
    "quieter": (lambda x: 0.2 * x, "wav"),
    "turned over": (lambda x: -x, "wav"),
    "trimmed": (lambda x: x[203:-111], "wav"),
    "padded": (lambda x: np.pad(x, (1111, 300)), "wav"),
    "noise 30 dB": (lambda x: noisy(x, 30), "wav"),
    "noise 20 dB, trimmed": (lambda x: noisy(x, 20)[97:], "wav"),
    "6 kHz and back, half a sample later": (lambda x: resampled(x, 6000), "wav"),
    "16 kHz and back, half a sample later": (lambda x: resampled(x, 16000), "wav"),
    "vorbis": (lambda x: x, "ogg"),
    "mp3": (lambda x: x, "mp3"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Four takes of three words by two speakers each: takes 0 and 1 in train, 2 and 3 in test."""
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", takes=range(4))
    assert status_of("prepare-wavs", top / "wavs", top / "all", "--pattern", "{word}_{speaker}_{index}") == 0
    assert status_of("compute-mfcc", top / "all", "--sample-frequency=8000", "--use-energy=false") == 0
    assert status_of("subset-data", top / "all", top / "train", "--utt-regex=-[01]$") == 0
    assert status_of("subset-data", top / "all", top / "test", "--utt-regex=-[23]$") == 0
    return top


def with_one_more(world, folder, path, utt="zed-1"):
    """The test set and the recording `path` by a new speaker."""
    shutil.copytree(world / "test", folder)
    for name in ("feats.scp", "utt2num_frames", "utt2dur", "frontend.conf", "frame_shift", "spk2utt"):
        (folder / name).unlink()
    for name, value in (("wav.scp", path), ("text", "two"), ("utt2spk", "zed")):
        write_table(folder / name, {**read_table(folder / name), utt: value})
    return folder


def test_two_takes_of_a_word_are_no_leak_but_speakers_are(world, capsys):
    assert status_of("check-leaks", world / "train", world / "test") == 1
    out = capsys.readouterr().out.splitlines()
    assert (
        out[0] == f"speakers on both sides: 2 of 2 in {world}/test: anna, bert" and "known speakers" in out[1]
    )
    assert out[2:] == [
        "utterance ids on both sides: 0",
        "copies of one original (utt2uniq): 0",
        "the same recordings: 0",
        "near-duplicates (by sound): 0",
        "2 leaks",
    ]
    assert (
        status_of(
            "check-leaks", world / "train", world / "test", "--allow-shared-speakers", "true", "--nj", "2"
        )
        == 0
    )
    out = capsys.readouterr().out.splitlines()
    assert (
        out[0].startswith("speakers on both sides: 2 of 2")
        and out[-1] == "no leaks found, 12 x 12 utterances"
    )


@pytest.mark.parametrize(("dress", "format"), DRESSES.values(), ids=DRESSES)
def test_the_same_recording_in_another_dress(world, tmp_path, capsys, dress, format):
    samples, _ = soundfile.read(read_table(world / "train" / "wav.scp")[UTT], dtype="float32")
    soundfile.write(tmp_path / f"x.{format}", dress(samples), RATE_HZ)
    test = with_one_more(world, tmp_path / "test", tmp_path / f"x.{format}")
    assert status_of("check-leaks", world / "train", test, "--allow-shared-speakers", "true") == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-3] == "near-duplicates (by sound): 1" and re.match(rf"  zed-1 ~ {UTT} \((0\.9|1\.0)", out[-2])
    assert out[-1] == "1 leaks"


def test_the_same_file_and_the_same_samples(world, tmp_path, capsys):
    path = read_table(world / "train" / "wav.scp")[UTT]
    samples, _ = soundfile.read(path, dtype="int16")
    soundfile.write(tmp_path / "x.flac", samples, RATE_HZ)
    for recording, why in ((path, "the same file"), (tmp_path / "x.flac", "the same samples")):
        test = with_one_more(world, tmp_path / why, recording)
        assert status_of("check-leaks", world / "train", test, "--allow-shared-speakers", "true") == 1
        assert f"the same recordings: 1\n  zed-1 = {UTT} ({why})\n" in capsys.readouterr().out


def test_segments_of_one_file_are_the_same_where_they_overlap(world, tmp_path, capsys):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.wav", rng.uniform(-0.1, 0.1, 3 * RATE_HZ), RATE_HZ)
    for name, times in (("train", (("a", "0 1"), ("b", "2 2.5"))), ("test", (("c", "1 2"), ("d", "2.4 -1")))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "wav.scp").write_text(f"long {tmp_path}/long.wav\n")
        (tmp_path / name / "segments").write_text("".join(f"{utt} long {time}\n" for utt, time in times))
    assert status_of("check-leaks", tmp_path / "train", tmp_path / "test") == 1
    out = capsys.readouterr().out
    assert (
        "speakers: not known" in out
        and "the same recordings: 1\n  d = b (the same file)\n" in out
        and out.endswith("1 leaks\n")
    )


def test_ids_and_copies_of_one_original(world, tmp_path, capsys):
    test = with_one_more(
        world, tmp_path / "test", read_table(world / "all" / "wav.scp")["bert-one-3"], utt="bert-one-3-noise"
    )
    write_table(test / "utt2uniq", {"bert-one-3-noise": "bert-one-1"})
    assert status_of("check-leaks", world / "train", test, "--allow-shared-speakers", "true") == 1
    assert (
        "copies of one original (utt2uniq): 1\n  bert-one-3-noise = bert-one-1 (of bert-one-1)\n"
        in capsys.readouterr().out
    )
    assert status_of("check-leaks", world / "train", world / "train", "--max", "1") == 1
    out = capsys.readouterr().out
    assert "2 of 2 in" in out and ": anna, ...\n" in out
    assert "utterance ids on both sides: 12\n  anna-one-0\ncopies" in out
    assert "the same recordings: 12\n  anna-one-0 = anna-one-0 (the same file)\nnear" in out and out.endswith(
        "26 leaks\n"
    )


def test_features_alone_show_what_they_can(tmp_path, capsys):
    rng = np.random.default_rng(0)
    feats = {f"u{i}": np.cumsum(rng.standard_normal((30, 13)), axis=0).astype(np.float32) for i in range(12)}
    louder = feats["u3"][4:] + np.eye(13, dtype=np.float32)[0]
    for name, utts in (
        ("train", {u: feats[u] for u in list(feats)[:8]}),
        ("test", {"t0": feats["u1"], "t1": louder, "t2": feats["u9"]}),
    ):
        write_archive(tmp_path / name / "feats.ark", tmp_path / name / "feats.scp", utts.items())
    assert status_of("check-leaks", tmp_path / "train", tmp_path / "test") == 1
    out = capsys.readouterr().out
    assert "the same recordings: 1\n  t0 = u1 (the same features)\n" in out
    assert "near-duplicates (by features): 1\n  t1 ~ u3 (1.000)\n2 leaks\n" in out


def test_what_cannot_be_read_is_said(world, tmp_path, capsys):
    (tmp_path / "x.wav").write_text("no sound")
    test = with_one_more(world, tmp_path / "test", tmp_path / "x.wav")
    assert status_of("check-leaks", world / "train", test) == 1
    assert "zed-1" in capsys.readouterr().err
    assert (
        status_of(
            "check-leaks", world / "train", test, "--max-skipped", "1", "--allow-shared-speakers", "true"
        )
        == 0
    )


def test_the_recording_itself_is_among_few_candidates():
    words = [
        word_samples(word, np.random.default_rng([take, len(word)]), 90 + 7 * take)
        for word in WORDS
        for take in range(20)
    ]
    asked = [noisy(0.3 * samples[203:-90], 20) for samples in words]
    sides = [[duplicates.band_energies(samples) for samples in side] for side in (words, asked)]
    pairs = duplicates.candidates(*sides)
    assert len(pairs) <= 8 * len(asked) and len(set(pairs)) == len(pairs)
    assert sum(i == j for i, j in pairs) >= 0.95 * len(asked)
    assert pairs == duplicates.candidates(*sides, chunk=100)


def test_the_wave_decides_at_a_fraction_of_a_sample():
    rng = np.random.default_rng(0)
    # below 800 Hz or so
    long = np.convolve(rng.standard_normal(40000), np.hanning(40), "same").astype(np.float32)
    a, b = (duplicates.band_wave(long[start::4]) for start in (0, 2))
    assert duplicates.same_wave(a, b) > 0.999 and duplicates.same_wave(b, a) > 0.999
    assert duplicates.same_wave(a, a[500:]) > 0.999 and duplicates.same_wave(a[:4000], a[5000:]) < 0.3
    assert duplicates.same_wave(np.zeros(400, np.float32), a) == 0


def test_from_python(world, tmp_path, capsys):
    path = read_table(world / "train" / "wav.scp")[UTT]
    test = with_one_more(world, tmp_path / "test", path, utt="zed-1")
    leaks = check_leaks(world / "train", test)
    assert leaks.speakers == ["anna", "bert"] and leaks.num_test_speakers == 3
    assert leaks.same == [("zed-1", UTT, "the same file")] and leaks.compared == "sound"
    assert (leaks.utts, leaks.copies, leaks.alike) == ([], [], []) and leaks.count == 3
    assert check_leaks(world / "train", test, allow_shared_speakers=True).count == 1
    assert all(score < 1 for *_, score in check_leaks(world / "train", test, threshold=0.2).alike)
    assert capsys.readouterr().out == ""
    for most in (5, 1, 0):
        assert status_of("check-leaks", world / "train", test, "--max", most) == 1
        assert capsys.readouterr().out.splitlines() == leaks.lines(most)
    with pytest.raises(DataError, match="nothing to compare"):
        (test / "wav.scp").unlink()
        check_leaks(world / "train", test)
