"""A frame shift that nobody stated is Kaldi's only where durations do not contradict it."""

import numpy as np
import pytest
import soundfile
from command import asrkit
from synthetic import write_words

from asrkit.errors import DataError
from asrkit.features.transform import TransformConfig
from asrkit.io.archive import write_archive
from asrkit.io.durations import utterance_lengths
from asrkit.io.features import read_features
from asrkit.io.files import write_table

RATE_HZ = 8000


def directory(folder, shift_s, known, count=6, window_s=0.025, length_s=0.4):
    """Features of some utterances, and what says how long these are."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    seconds = {f"u{i:02d}": length_s + 0.1 * i for i in range(count)}
    feats = {
        utt: rng.standard_normal((int((length - window_s) / shift_s) + 1, 3)).astype(np.float32)
        for utt, length in seconds.items()
    }
    write_archive(folder / "feats.ark", folder / "feats.scp", feats.items())
    if known == "utt2dur":
        write_table(folder / known, seconds)
    if known == "segments":
        write_table(folder / known, {utt: f"r 1.5 {1.5 + length}" for utt, length in seconds.items()})
    if known == "recordings":
        for utt, length in seconds.items():
            soundfile.write(folder / f"{utt}.wav", 0.1 * rng.standard_normal(int(length * RATE_HZ)), RATE_HZ)
        write_table(folder / "wav.scp", {utt: f"{folder}/{utt}.wav" for utt in seconds})
    return folder


def shift_of(folder):
    return read_features(folder, transform_config=TransformConfig(delta_order=0)).frame_shift_s()


@pytest.mark.parametrize("known", ["utt2dur", "segments", "recordings"])
@pytest.mark.parametrize("count", [1, 6, 50])
def test_another_shift_is_refused_until_it_is_stated(tmp_path, known, count):
    for shift_s in (0.005, 0.0125, 0.016, 0.02):
        folder = directory(tmp_path / f"{shift_s}", shift_s, known, count)
        says = rf"^{folder}: nobody said how far apart .* about 0\.0.* s a frame .*{folder}/frame_shift\)"
        with pytest.raises(DataError, match=says):
            shift_of(folder)
        (folder / "frame_shift").write_text(f"{shift_s}\n")
        assert shift_of(folder) == shift_s
    for window_s in (0.02, 0.025, 0.032, 0.05):
        assert shift_of(directory(tmp_path / f"w{window_s}", 0.01, known, count, window_s)) == 0.01


def test_what_no_one_knows_is_kaldis(tmp_path):
    assert shift_of(directory(tmp_path / "a", 0.005, "nothing")) == 0.01
    lost = directory(tmp_path / "b", 0.005, "recordings")
    for path in lost.glob("*.wav"):
        path.unlink()
    assert shift_of(lost) == 0.01


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x\n", "no number of seconds"),
        ("10\n", "10 is no frame shift"),
        ("nan\n", "no number of seconds: 'nan'"),
    ],
)
def test_a_statement_that_is_none(tmp_path, text, says):
    folder = directory(tmp_path / "a", 0.01, "utt2dur")
    (folder / "frame_shift").write_text(text)
    with pytest.raises(DataError, match=f"{folder}/frame_shift: {says}"):
        shift_of(folder)


@pytest.mark.parametrize("number", ["x", "nan", "inf"])
def test_a_duration_that_is_no_number(tmp_path, number):
    folder = directory(tmp_path / "a", 0.01, "utt2dur")
    (folder / "utt2dur").write_text(f"u0 {number}\n")
    with pytest.raises(DataError, match=f"{folder}/utt2dur:"):
        shift_of(folder)


def test_lengths_are_those_of_the_best_source(tmp_path):
    folder = directory(tmp_path / "a", 0.01, "segments")
    write_table(folder / "utt2num_frames", {"u00": 10, "u01": 10, "u02": 10, "v": 20})
    write_table(folder / "utt2dur", {"u00": 7})
    data = read_features(folder, transform_config=TransformConfig(delta_order=0)).data
    found = utterance_lengths(data, 0.02)
    assert [found[utt] for utt in ("u00", "u01", "u02", "v")] == pytest.approx([7, 0.5, 0.6, 0.425])


def test_no_command_writes_times_by_a_wrong_shift(tmp_path, capsys):
    data = tmp_path / "data"
    asrkit(
        "prepare-wavs", write_words(tmp_path / "wavs", "{word}/{speaker}_{take}.wav", takes=range(2)), data
    )
    asrkit("compute-mfcc", data, "--sample-frequency=8000", "--frame-shift=5")
    for name in ("frontend.conf", "frame_shift"):
        (data / name).unlink()
    asrkit(
        "train", data, tmp_path / "exp", "--family=chmm", "--num-states=3", "--num-gauss=1", "--max-iters=2"
    )
    asrkit("align", tmp_path / "exp", data, tmp_path / "out", status=1)
    assert f"write the right number of seconds into {data}/frame_shift" in capsys.readouterr().err
    assert not (tmp_path / "out" / "ctm").exists()
    (data / "frame_shift").write_text("0.005\n")
    asrkit("align", tmp_path / "exp", data, tmp_path / "out")
    ends = {
        line.split()[0]: float(line.split()[3])
        for line in (tmp_path / "out" / "ctm").read_text().splitlines()
    }
    lengths = dict(line.split() for line in (data / "utt2dur").read_text().splitlines())
    assert all(abs(float(lengths[utt]) - end) < 0.04 for utt, end in ends.items())
