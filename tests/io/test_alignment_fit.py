"""An alignment must fit its recordings at both ends: other time scales are refused by what they are, silences at the
ends are not taken for one.
"""

import re

import kaldiio
import numpy as np
import pytest

from asrkit.errors import DataError
from asrkit.io.ali_archive import read_phone_table
from asrkit.io.alignment import write_alignment
from asrkit.io.files import write_table
from asrkit.io.textgrid import write_textgrid
from asrkit.phones.mixgop import MixgopConfig
from asrkit.phones.phone import Phone
from asrkit.workflows.mixgop_import_alignment import mixgop_import_alignment
from asrkit.workflows.mixgop_score import mixgop_score
from asrkit.workflows.mixgop_train import mixgop_train

FACTORS = {1 / 3: "1/3", 1 / 10: "1/10", 1 / 1000: "1/1000", 3: "3", 10: "10", 1000: "1000"}
LABELS = ("AA", "B", "IY", "S")


def corpus(count, before_s=0.2, after_s=0.3, phone_s=0.1, seed=0):
    """Durations and alignments of some utterances, silences included; every silence may be half as long again."""
    rng = np.random.default_rng(seed)
    seconds, alignment = {}, {}
    for i in range(count):
        phones = [LABELS[j % 4] for j in range(4 + i % 5)]
        pauses = (before_s, after_s) * rng.uniform(1, 1.5, 2)
        lengths = [pauses[0], *rng.uniform(0.6, 1.5, len(phones)) * phone_s, pauses[1]]
        ends = np.round(np.cumsum(lengths), 2).tolist()
        own = [
            Phone(label, start, end) for label, start, end in zip(["SIL", *phones, "SIL_S"], [0, *ends], ends)
        ]
        alignment[f"u{i:02d}"] = own
        seconds[f"u{i:02d}"] = ends[-1] + 0.01
    return seconds, alignment


def scaled(alignment, factor, kept=True):
    return {
        utt: [
            Phone(p.label, p.start_s * factor, p.end_s * factor) for p in some if kept or p.label[:3] != "SIL"
        ]
        for utt, some in alignment.items()
    }


def written(folder, alignment, format):
    if format == "ctm":
        with open(folder / "x.ctm", "w") as stream:
            for utt, some in alignment.items():
                stream.writelines(
                    f"{utt} 1 {p.start_s:.7g} {p.end_s - p.start_s:.7g} {p.label}\n" for p in some
                )
        return folder / "x.ctm"
    for utt, some in alignment.items():
        write_textgrid(folder / f"src/{utt}.TextGrid", {"phones": some}, 0)
    return folder / "src"


def data_dir(folder, seconds, **tables):
    folder.mkdir()
    write_table(folder / "utt2spk", {utt: utt for utt in seconds})
    write_table(folder / "utt2dur", {utt: f"{length:.4f}" for utt, length in seconds.items()})
    for name, table in tables.items():
        write_table(folder / name, table)
    return folder


def with_features(folder, seconds, shift_s=0.01):
    """A data directory that has nothing but features."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    feats = {
        utt: rng.standard_normal((round(length / shift_s), 3)).astype(np.float32)
        for utt, length in seconds.items()
    }
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    return folder


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("kept", [True, False], ids=["silences kept", "left out"])
@pytest.mark.parametrize("format", ["ctm", "textgrid"])
def test_another_time_scale_is_refused_and_named(tmp_path, format, kept, count):
    seconds, alignment = corpus(count)
    data = data_dir(tmp_path / "data", seconds)
    src = written(tmp_path, scaled(alignment, 1, kept), format)
    good = mixgop_import_alignment(src, tmp_path / "out", data_dir=data)
    assert len(good.alignment) == count and good.skipped == {}
    for factor, name in FACTORS.items():
        folder = tmp_path / f"{factor:g}"
        folder.mkdir()
        src = written(folder, scaled(alignment, factor, kept), format)
        with pytest.raises(DataError) as error:
            mixgop_import_alignment(src, folder / "out", data_dir=data, max_skipped=count)
        assert str(error.value).startswith(f"{src}: the alignment is ")
        assert re.search(rf"as if multiplied .*by {name}[ ;]", str(error.value)) and "ends at" in str(
            error.value
        )
        assert not (folder / "out").exists()


@pytest.mark.parametrize(
    "ends",
    [
        {"after_s": 0.0},
        {"after_s": 0.8},
        {"before_s": 1.0, "after_s": 2.0},  # untrimmed: the words are a fifth of the recordings
        {"before_s": 0.0, "after_s": 3.0},
        {"after_s": 1.0, "phone_s": 0.06},  # a quick speaker
        {"after_s": 0.1, "phone_s": 0.03},  # a very quick one
    ],
)
@pytest.mark.parametrize("count", [1, 3, 20])
def test_silences_at_the_ends_are_no_time_scale(tmp_path, ends, count):
    seconds, alignment = corpus(count, **ends)
    data = data_dir(tmp_path / "data", seconds)
    for kept in (True, False):
        src = written(tmp_path, scaled(alignment, 1, kept), "ctm")
        assert mixgop_import_alignment(src, tmp_path / "out", data_dir=data).skipped == {}


def test_half_as_fast_is_found_by_proportion(tmp_path):
    """Phones of 50 ms are said: that all ends lie at half of the durations is not."""
    seconds, alignment = corpus(20, before_s=0.05, after_s=0.05, phone_s=0.15)
    data = data_dir(tmp_path / "data", seconds)
    src = written(tmp_path, scaled(alignment, 0.5, kept=False), "ctm")
    with pytest.raises(DataError, match="as if multiplied by 1/2 .frames of 0.02 s taken for 0.01 s"):
        mixgop_import_alignment(src, tmp_path / "out", data_dir=data)


@pytest.mark.parametrize("factor", [0.8, 0.9, 44.1 / 48, 48 / 44.1, 1.25])
def test_short_words_whose_ends_are_off_by_a_factor_are_refused(tmp_path, factor):
    """A fifth of a short word is less than any slack: that all lack the same share of it is no chance."""
    seconds, alignment = corpus(20, before_s=0.02, after_s=0.04, phone_s=0.05)
    data = data_dir(tmp_path / "data", {utt: length - 0.008 for utt, length in seconds.items()})
    src = written(tmp_path, alignment, "ctm")
    assert mixgop_import_alignment(src, tmp_path / "out", data_dir=data).skipped == {}
    src = written(tmp_path, scaled(alignment, factor), "ctm")
    with pytest.raises(DataError, match=r"last silences included: it ends at [\d.]+ times"):
        mixgop_import_alignment(src, tmp_path / "out", data_dir=data, max_skipped=20)


@pytest.mark.parametrize("known", ["utt2dur", "utt2num_frames", "features"])
@pytest.mark.parametrize("format", ["ctm", "textgrid"])
def test_durations_come_from_wherever_they_are_known(tmp_path, known, format):
    seconds, alignment = corpus(6)
    if known == "utt2dur":
        data = data_dir(tmp_path / "data", seconds)
    else:
        data = with_features(tmp_path / "data", seconds)
        if known == "utt2num_frames":
            write_table(data / known, {utt: round(length * 100) for utt, length in seconds.items()})
            (data / "feats.ark").unlink()
    src = written(tmp_path, alignment, format)
    assert mixgop_import_alignment(src, tmp_path / "out", data_dir=data).skipped == {}
    src = written(tmp_path, scaled(alignment, 1 / 3), format)
    with pytest.raises(DataError, match="multiplied by 1/3"):
        mixgop_import_alignment(src, tmp_path / "out", data_dir=data)


# Kaldi's archives


def archive(folder, alignment, every=1, change=0):
    """An archive of one number a frame of 10 ms."""
    (folder / "phones.txt").write_text("SIL 1\nSIL_S 6\nAA 2\nB 3\nIY 4\nS 5\n")
    numbers = {label: number for number, label in read_phone_table(folder / "phones.txt").items()}
    alis = {}
    for utt, some in alignment.items():
        frames = [
            numbers[p.label] for p in some for _ in range(round(p.end_s * 100) - round(p.start_s * 100))
        ]
        alis[utt] = np.array(frames + [1] * change if change >= 0 else frames[:change], dtype=np.int32)[
            ::every
        ]
    kaldiio.save_ark(str(folder / "ali.1.ark"), alis)
    return folder / "ali.1.ark", folder / "phones.txt"


@pytest.fixture(params=["utt2num_frames", "features"])
def framed(request, tmp_path):
    """A data directory with as many frames as the alignment of `corpus(8)` has, and that alignment."""
    _, alignment = corpus(8)
    seconds = {utt: some[-1].end_s for utt, some in alignment.items()}
    data = with_features(tmp_path / "data", seconds)
    if request.param == "utt2num_frames":
        write_table(data / "utt2num_frames", {utt: round(length * 100) for utt, length in seconds.items()})
    return data, alignment


@pytest.mark.parametrize("change", [-3, -2, 0, 2, 3])
def test_frames_must_be_as_many(tmp_path, framed, change):
    data, alignment = framed
    ark, table = archive(tmp_path, alignment, change=change)
    if abs(change) < 3:
        imported = mixgop_import_alignment(ark, tmp_path / "out", phones=table, data_dir=data)
        assert imported.skipped == {} and len(imported.alignment) == 8
        return
    frames = round(alignment["u00"][-1].end_s * 100)
    told = f"u00: {frames + change} frames of 0.01 s in the alignment, {frames} of 0.01 s in the features"
    with pytest.raises(DataError, match=told):
        mixgop_import_alignment(ark, tmp_path / "out", phones=table, data_dir=data, max_skipped=8)


@pytest.mark.parametrize("every", [2, 3, 4])
def test_subsampled_frames_name_the_frame_shift(tmp_path, framed, every):
    data, alignment = framed
    ark, table = archive(tmp_path, alignment, every=every)
    with pytest.raises(DataError, match=rf"u00: .* about every {every}. frame: frame_shift_s=0.0{every}"):
        mixgop_import_alignment(ark, tmp_path / "out", phones=table, data_dir=data)
    imported = mixgop_import_alignment(
        ark, tmp_path / "out", phones=table, data_dir=data, frame_shift_s=every / 100
    )
    assert imported.skipped == {}


def test_frames_of_a_shift_that_nobody_stated(tmp_path):
    """As many frames as the features have, every 30 ms: the user says so of the alignment, nobody of the features."""
    seconds = {utt: some[-1].end_s for utt, some in corpus(8)[1].items()}
    ark, table = archive(tmp_path, corpus(8)[1], every=3)
    data = with_features(tmp_path / "data", seconds, shift_s=0.03)
    imported = mixgop_import_alignment(ark, tmp_path / "out", phones=table, data_dir=data, frame_shift_s=0.03)
    assert imported.skipped == {} and imported.alignment["u00"][-1].end_s > 0.5


# Features


CONFIG = MixgopConfig(num_gauss=1, min_tokens=2, pooling="mean", covariance="diag")


@pytest.mark.parametrize("factor", [1 / 10, 1 / 3, 3, 10, 1000])
@pytest.mark.parametrize("command", ["train", "score"])
def test_an_alignment_that_was_held_against_nothing_is_held_against_features(tmp_path, command, factor):
    seconds, alignment = corpus(12)
    data = with_features(tmp_path / "data", seconds)
    write_alignment(tmp_path / "good", scaled(alignment, 1, kept=False), {})
    write_alignment(tmp_path / "bad", scaled(alignment, factor, kept=False), {})
    mixgop_train(data, tmp_path / "good", tmp_path / "exp", CONFIG)
    with pytest.raises(DataError, match=rf"{tmp_path}/bad: .* as if multiplied by "):
        if command == "train":
            mixgop_train(data, tmp_path / "bad", tmp_path / "other", CONFIG)
        else:
            mixgop_score(tmp_path / "exp", data, tmp_path / "bad", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("shift_s", [0.004, 0.005, 0.02, 0.03])
def test_a_frame_shift_that_nobody_stated_is_not_taken_for_kaldis(tmp_path, shift_s):
    seconds, alignment = corpus(12)
    data = with_features(tmp_path / "data", seconds, shift_s)
    write_alignment(tmp_path / "ali", scaled(alignment, 1, kept=False), {})
    with pytest.raises(
        DataError, match=rf"which nobody said .frame_shift_s= or the file {data}/frame_shift says it"
    ):
        mixgop_train(data, tmp_path / "ali", tmp_path / "exp", CONFIG)
    trained = mixgop_train(data, tmp_path / "ali", tmp_path / "exp", CONFIG, frame_shift_s=shift_s)
    assert trained.left_out == {} and trained.skipped == {}
    (data / "frame_shift").write_text(f"{shift_s}\n")
    assert mixgop_train(data, tmp_path / "ali", tmp_path / "exp", CONFIG).skipped == {}
