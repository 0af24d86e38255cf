"""Recordings inside archives, the channels that segments state, and what is said of channels and scales."""

import io
import logging
import struct

import kaldiio
import numpy as np
import pytest
import soundfile

import asrkit
from asrkit.audio.perturbation import PerturbConfig
from asrkit.audio.samples import check_samples
from asrkit.errors import DataError
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.io.archive import read_scp
from asrkit.io.audio import audio_info, located, read_audio
from asrkit.io.data_dir import Segment, parse_segment, read_data_dir, subset, write_data_dir
from asrkit.io.noise import NoiseSource
from asrkit.io.recordings import recordings
from asrkit.io.validation import Checks, find_faults
from asrkit.workflows.check_leaks import check_leaks
from asrkit.workflows.combine_data import combine_data
from asrkit.workflows.compute_features import RecordingConfig, compute_features
from asrkit.workflows.detect_endpoints import detect_endpoints
from asrkit.workflows.fix_data import fix_data
from asrkit.workflows.perturb import perturb
from asrkit.workflows.prepare_wavs import prepare_wavs
from asrkit.workflows.split_data import split_data

RATE_HZ = 8000
KIND = MfccConfig(sample_rate_hz=RATE_HZ)


def word(seed=0, num_samples=8000):
    """A voiced half second in silence, as float64 (N,)."""
    rng, t = np.random.default_rng(seed), np.arange(num_samples) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * k * (120 + 10 * seed) * t) / k for k in range(1, 9))
    length_s = num_samples / RATE_HZ
    return 0.2 * voice * np.exp(-(((t - length_s / 2) / (length_s / 8)) ** 2)) + rng.normal(
        0, 1e-4, num_samples
    )


def put(path, samples, subtype="PCM_16"):
    soundfile.write(path, samples, RATE_HZ, subtype=subtype)
    return str(path)


def table(path, lines):
    path.write_text("".join(f"{key} {value}\n" for key, value in sorted(lines.items())))


def data_dir(folder, wav, segments=None):
    folder.mkdir(exist_ok=True)
    table(folder / "wav.scp", wav)
    utts = segments or wav
    if segments:
        table(folder / "segments", segments)
    for name in ("utt2spk", "spk2utt", "text"):
        table(folder / name, {utt: utt for utt in utts})
    return folder


# wav.ark:13


def wav_archive(path, sounds):
    """As Kaldi's wav-copy writes it: key, space, WAVE, and the next key at once."""
    entries = {}
    with open(path, "wb") as stream:
        for key, samples in sounds.items():
            stream.write(f"{key} ".encode())
            entries[key] = f"{path}:{stream.tell()}"
            held = io.BytesIO()
            soundfile.write(held, samples, RATE_HZ, format="WAV", subtype="PCM_16")
            stream.write(held.getvalue())
    return entries


def test_recordings_in_an_archive_are_those_of_the_files(tmp_path):
    sounds = {f"u{i}": word(i, 3000 + 1001 * i) for i in range(4)}
    for key, spec in wav_archive(tmp_path / "wav.ark", sounds).items():
        alone = read_audio(put(tmp_path / "x.wav", sounds[key]))[0]
        np.testing.assert_array_equal(read_audio(spec)[0], alone)
        np.testing.assert_array_equal(read_audio(spec.replace(f"{tmp_path}/", ""), base=tmp_path)[0], alone)
        assert audio_info(spec) == (RATE_HZ, len(alone), 1)


def test_kaldiio_reads_and_writes_the_same_archives(tmp_path):
    sounds = {f"u{i}": (word(i) * 32767).astype(np.int16) for i in range(3)}
    with kaldiio.WriteHelper(f"ark,scp:{tmp_path}/wav.ark,{tmp_path}/wav.scp") as write:
        for key, samples in sounds.items():
            write(key, (RATE_HZ, samples))
    for line in (tmp_path / "wav.scp").read_text().splitlines():
        key, spec = line.split()
        np.testing.assert_array_equal(read_audio(spec)[0] * 32768, sounds[key])
    ours = wav_archive(tmp_path / "ours.ark", {key: samples / 32768 for key, samples in sounds.items()})
    for key, spec in ours.items():
        assert kaldiio.load_mat(spec)[0] == RATE_HZ
        np.testing.assert_array_equal(kaldiio.load_mat(spec)[1], sounds[key])


def test_a_data_directory_of_an_archive(tmp_path):
    sounds = {f"u{i}": word(i) for i in range(3)}
    files = data_dir(tmp_path / "files", {k: put(tmp_path / f"{k}.wav", x) for k, x in sounds.items()})
    ark = data_dir(tmp_path / "ark", wav_archive(tmp_path / "wav.ark", sounds))
    assert not find_faults(ark, Checks())
    for folder in (files, ark):
        compute_features(folder, KIND)
    of_files, of_ark = (dict(read_scp(read_data_dir(folder).feats)) for folder in (files, ark))
    for key in sounds:
        np.testing.assert_array_equal(of_ark[key], of_files[key])
    part = subset(read_data_dir(ark), ["u1"], tmp_path / "part")
    assert audio_info(part.wav["u1"])[1] == 8000
    assert [found[2] for found in check_leaks(ark, files).same] == ["the same samples"] * 3
    assert {found[2] for found in check_leaks(ark, tmp_path / "part").same} == {"the same file"}


def test_damaged_entries_of_an_archive(tmp_path):
    path = tmp_path / "wav.ark"
    entries = wav_archive(path, {"a": word(0), "b": word(1)})
    whole, place = path.read_bytes(), int(entries["b"].rpartition(":")[2])
    path.write_bytes(whole[:-100])
    with pytest.raises(DataError, match=rf"wav.ark:{place}: cut off, 100 bytes"):
        read_audio(entries["b"])
    assert len(read_audio(entries["a"])[0]) == 8000
    path.write_bytes(whole)
    for offset in (0, place - 1, place + 4, len(whole), 10**9):
        with pytest.raises(DataError, match=rf"wav.ark:{offset}: no WAV at that place"):
            read_audio(f"{path}:{offset}")
    for size in (0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF):
        path.write_bytes(b"a " + b"RIFF" + struct.pack("<I", size) + whole[10:])
        with pytest.raises(DataError, match="does not say how long it is"):
            read_audio(entries["a"])
    path.write_bytes(b"a AUDIO\4\0\0\0\0" + bytes(100))
    with pytest.raises(DataError, match="kaldiio's own kind, AUDIO"):
        read_audio(f"{path}:2")
    with pytest.raises(DataError, match="missing.ark: .*No such file|missing.ark: no such file"):
        read_audio(f"{tmp_path}/missing.ark:2")


def test_a_file_whose_name_looks_like_a_place_is_that_file(tmp_path):
    path = put(tmp_path / "take.wav", word())
    (tmp_path / "take:13").write_bytes((tmp_path / "take.wav").read_bytes())
    np.testing.assert_array_equal(read_audio(f"{tmp_path}/take:13")[0], read_audio(path)[0])
    assert located(f"{tmp_path}/take:13") != located(f"{path}:13") == f"{path}:13"


# segments' channel


@pytest.mark.parametrize(
    ("line", "found"),
    {
        "r 0.5 1.25": Segment("r", 0.5, 1.25),
        "r 0 -1 0": Segment("r", 0, -1, 0),
        "r 0 1 1": Segment("r", 0, 1, 1),
        "r 0 1 12": Segment("r", 0, 1, 12),
    }.items(),
)
def test_a_segment_and_its_channel(line, found):
    assert parse_segment(line) == found == parse_segment(str(found))


@pytest.mark.parametrize("channel", ["-1", "x", "1.0", "+1", "²", "１", "9" * 5000])
def test_no_channel(tmp_path, channel):
    """Kaldi, too, takes nothing below 0: -1 is what extract-segments calls no fifth field."""
    with pytest.raises(ValueError, match="is no number of a channel"):
        parse_segment(f"r 0 1 {channel}")
    folder = data_dir(tmp_path / "d", {"r": put(tmp_path / "r.wav", word())}, {"u": f"r 0 1 {channel}"})
    with pytest.raises(DataError, match="segments:1: utterance 'u': channel"):
        read_data_dir(folder)
    assert any("segments:1: 'u': channel" in fault for fault in find_faults(folder, Checks(no_feats=True)))


@pytest.fixture
def call(tmp_path):
    """A telephone call, a speaker in each channel, whose segments name them, and the channels as files."""
    sides = [np.concatenate([word(side), word(side + 2)]) for side in (0, 1)]
    path = put(tmp_path / "call.wav", np.stack(sides, 1))
    segments = {f"{side}-{i}": f"call {i} {i + 1} {c}" for c, side in enumerate("ab") for i in (0, 1)}
    folder = data_dir(tmp_path / "call", {"call": path}, segments)
    alone = {f"side{c}": put(tmp_path / f"side{c}.wav", side) for c, side in enumerate(sides)}
    single = {utt: f"side{spec[-1]} {spec[5:8]}" for utt, spec in segments.items()}
    return folder, data_dir(tmp_path / "alone", alone, single)


def features(folder, **options):
    compute_features(folder, KIND, RecordingConfig(**options))
    return dict(read_scp(read_data_dir(folder).feats))


@pytest.mark.parametrize("options", [{}, {"channel": 1}, {"strict": True}], ids=str)
def test_the_channel_of_a_segment_is_used_whatever_the_options_say(call, caplog, options):
    both, alone = call
    expected = features(alone)
    with caplog.at_level(logging.WARNING, "asrkit"):
        found = features(both, **options)
    assert found.keys() == expected.keys() and not caplog.messages
    for utt, feats in found.items():
        np.testing.assert_array_equal(feats, expected[utt])


def test_a_segment_without_a_channel_takes_that_of_the_options(call):
    both, alone = call
    segments = (both / "segments").read_text().replace("b-1 call 1 2 1", "b-1 call 1 2")
    (both / "segments").write_text(segments)
    expected, found = features(alone), features(both, channel=1)
    np.testing.assert_array_equal(found["b-1"], expected["b-1"])
    assert [(one.channel, len(one.parts)) for one in recordings(read_data_dir(both))] == [
        (None, 1),
        (0, 2),
        (1, 1),
    ]


def test_channels_are_kept_by_whatever_writes_a_directory(call, tmp_path):
    both, alone = call
    segments = read_data_dir(both).segments
    assert segments["b-0"].channel == 1
    subset(read_data_dir(both), ["b-0"], tmp_path / "part")
    assert read_data_dir(tmp_path / "part").segments == {"b-0": segments["b-0"]}
    write_data_dir(read_data_dir(both), tmp_path / "copy")
    assert read_data_dir(tmp_path / "copy").segments == segments
    fix_data(both)
    assert read_data_dir(both).segments == segments
    table(alone / "utt2spk", {f"x{utt}": f"x{utt}" for utt in segments})
    renamed = {
        f"x{utt}": spec
        for utt, spec in (line.split(" ", 1) for line in (alone / "segments").read_text().splitlines())
    }
    for name, lines in {"segments": renamed, "text": dict.fromkeys(renamed, "w")}.items():
        table(alone / name, lines)
    combine_data([both, alone], tmp_path / "whole")
    whole = read_data_dir(tmp_path / "whole").segments
    assert {utt: whole[utt] for utt in segments} == segments and whole["xb-0"].channel is None
    split_data(both, 2)
    halves = [read_data_dir(part).segments for part in sorted((both / "split2").iterdir())]
    assert {utt: segment for half in halves for utt, segment in half.items()} == segments


def test_validate_data_finds_a_channel_that_is_not_there(call):
    both, _ = call
    assert not find_faults(both, Checks(no_feats=True))
    (both / "segments").write_text(
        (both / "segments").read_text().replace("b-1 call 1 2 1", "b-1 call 1 2 2")
    )
    (fault,) = find_faults(both, Checks(no_feats=True))
    assert "segments:4: utterance 'b-1': channel 2, but recording 'call' has 2 (count starts at 0)" in fault
    with pytest.raises(DataError, match="b-1: .*call.wav: channel 2 asked for, but it has 2"):
        features(both)


def test_other_readers_take_the_channel_of_a_segment(call, tmp_path):
    both, alone = call
    for folder in (both, alone):
        perturb(folder, tmp_path / f"p{folder.name}", config=PerturbConfig(speed="0.9"))
    made, expected = (read_data_dir(tmp_path / f"p{folder.name}") for folder in (both, alone))
    assert made.wav.keys() == expected.wav.keys()
    for utt in made.wav:
        np.testing.assert_array_equal(read_audio(made.wav[utt])[0], read_audio(expected.wav[utt])[0])
    noises = [
        NoiseSource(folder, folder, 2, False, run).take(
            "recorded", 4000, np.random.default_rng(0), rate_hz=RATE_HZ, speaker="z", unusable={}
        )
        for run, folder in enumerate((both, alone))
    ]
    np.testing.assert_array_equal(*noises)
    utts = read_data_dir(both).segments
    assert set(check_leaks(both, both).same) == {
        (utt, utt, "the same file") for utt in utts
    }  # not the other side
    assert set(check_leaks(both, alone).same) == {(utt, utt, "the same samples") for utt in utts}


# what is said of channels

SPEECH, HISS = word(), np.random.default_rng(1).normal(0, 1, 8000)


def stereo(tmp_path, *channels):
    return put(tmp_path / "two.wav", np.stack(channels, 1).astype(np.float32), "FLOAT")


FAR = {
    "faint hiss": (HISS * 1e-4, SPEECH, "another channel is far louder: channel 1, by"),
    "the same, 20 dB down": (SPEECH * 0.1, SPEECH, "another channel is far louder: channel 1, by 20 dB"),
    "a constant and faint hiss": (0.5 + HISS * 1e-4, SPEECH, "another channel is far louder"),
    "hiss as loud": (HISS * SPEECH.std(), SPEECH, "as steady as noise, and channel 1 is not"),
    "hiss that is louder": (HISS * SPEECH.std() * 3, SPEECH, "as steady as noise, and channel 1 is not"),
    "hum": (0.1 * np.sin(np.arange(8000) * 2 * np.pi * 50 / RATE_HZ), SPEECH, "as steady as noise"),
    "hiss between zeros": (np.pad(HISS[:4000] * 0.05, 2000), SPEECH, "as steady as noise, and channel 1"),
}
ALIKE = {
    "identical": (SPEECH, SPEECH),
    "half as loud": (SPEECH * 0.5, SPEECH),
    "19 dB down": (SPEECH * 10 ** (-19 / 20), SPEECH),
    "another word": (SPEECH, word(3)),
    "some noise": (SPEECH + HISS * 0.01, SPEECH),
    "hiss in the other": (SPEECH, HISS * 0.1),
    "loud hum in the other": (SPEECH * 0.02, np.sin(np.arange(8000) * 2 * np.pi * 50 / RATE_HZ)),
    "zeros in the other": (SPEECH, SPEECH * 0),
    "a click in the other": (SPEECH * 0.02, np.where(np.arange(8000) == 5000, 0.9, SPEECH * 0.02)),
    "hiss in both": (HISS * 0.01, HISS * 0.02),
}


@pytest.mark.parametrize(("used", "other", "why"), FAR.values(), ids=FAR)
def test_the_channel_that_was_meant_is_named(tmp_path, caplog, used, other, why):
    with caplog.at_level(logging.WARNING, "asrkit"):
        read_audio(path := stereo(tmp_path, used, other))
    (said,) = caplog.messages
    assert said.startswith(f"{path}: 2 channels, channel 0 is used, but") and why in said
    assert said.endswith("(channel=1 takes it)")
    caplog.clear()
    with caplog.at_level(logging.WARNING, "asrkit"):
        read_audio(stereo(tmp_path, other, used))
        read_audio(path, channel=0, stated=0)
        np.testing.assert_array_equal(
            read_audio(stereo(tmp_path, used, other), channel=1)[0], np.float32(other)
        )
    assert caplog.messages == [f"{path}: 2 channels, channel {c} is used" for c in (0, 1)]


@pytest.mark.parametrize(("used", "other"), ALIKE.values(), ids=ALIKE)
def test_ordinary_channels_get_the_ordinary_line(tmp_path, caplog, used, other):
    with caplog.at_level(logging.WARNING, "asrkit"):
        read_audio(path := stereo(tmp_path, used, other))
    assert caplog.messages == [f"{path}: 2 channels, channel 0 is used"]


@pytest.mark.parametrize(
    "used", [np.zeros(8000), np.full(8000, 0.25), HISS * 1e-6], ids=["zeros", "constant", "hush"]
)
@pytest.mark.parametrize("other", [SPEECH, 0.1 * np.sin(np.arange(8000))], ids=["speech", "tone"])
def test_a_silent_channel_beside_another_is_refused(tmp_path, used, other):
    path = stereo(tmp_path, used, other)
    with pytest.raises(
        DataError, match=r"two.wav: channel 0 is silent, and .* channel 1, .*\(channel=1 takes it\)"
    ):
        read_audio(path)
    with pytest.raises(
        DataError, match=r"two.wav: channel 1 is silent, and .* channel 0, .*\(channel=0 takes it\)"
    ):
        read_audio(stereo(tmp_path, other, used), channel=1)
    with pytest.raises(DataError, match=r"channel 0 is silent, and .* channel 2, .*\(channel=2 takes it\)"):
        read_audio(stereo(tmp_path, used, used, other))
    read_audio(stereo(tmp_path, used, used))  # silent: those say it who look for speech


# full scale


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("peak", [1.0, 1.5, 1.99, 2.0, 5.0, 9.9, 10.0, 100.0, 11559.0, 32768.0, 1e30])
def test_floats_beyond_full_scale(tmp_path, caplog, peak, subtype):
    sound = word() / np.abs(word()).max() * peak * (1 + 1e-6)
    path = put(tmp_path / "x.wav", sound, subtype)
    for read, name in (
        (lambda: read_audio(path), "x.wav: samples up to"),
        (lambda: check_samples(sound, "it"), "it reaches"),
    ):
        caplog.clear()
        if peak >= 10:
            with pytest.raises(DataError, match=f"{name}.* times full scale.*divide by 32768"):
                read()
            continue
        with caplog.at_level(logging.WARNING, "asrkit"):
            read()
        assert len(caplog.messages) == (peak >= 2)
        assert all(name in line and "full scale" in line for line in caplog.messages)
    if peak >= 10:
        with pytest.raises(DataError, match="times full scale"):
            audio_info(path)


# one warning a command


@pytest.fixture
def odd(tmp_path):
    """Ten recordings: three too loud, two with speech in channel 1 alone; a folder, and a data directory of them."""
    folder = tmp_path / "odd" / "one"
    folder.mkdir(parents=True)
    for i in range(10):
        sound = (
            np.stack([HISS * 1e-3, SPEECH], 1)
            if i < 2
            else SPEECH / np.abs(SPEECH).max() * (i if i > 6 else 0.5)
        )
        put(folder / f"{i}.wav", sound, "FLOAT")
    return folder.parent, data_dir(tmp_path / "data", {f"one-{i}": folder / f"{i}.wav" for i in range(10)})


COMMANDS = {
    "compute-mfcc": lambda folder, data: compute_features(data, KIND),
    "detect-endpoints": lambda folder, data: detect_endpoints(data),
    "perturb": lambda folder, data: perturb(data, data.parent / "out", config=PerturbConfig(speed="0.9")),
    "check-leaks": lambda folder, data: check_leaks(subset(read_data_dir(data), ["one-4"], data.parent / "part").path, data),
    "prepare-wavs": lambda folder, data: prepare_wavs(folder, data.parent / "out"),
    "validate-data": lambda folder, data: find_faults(data, Checks(no_feats=True)),
    "train": lambda folder, data: asrkit.train({"one": [folder / f"one/{i}.wav" for i in range(10)]}, family="gmm", num_gauss=1),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_once_how_many_recordings_are_odd(odd, caplog, command):
    with caplog.at_level(logging.WARNING, "asrkit"):
        COMMANDS[command](*odd)
    (loud,) = [line for line in caplog.messages if "full scale" in line]
    assert (
        loud.startswith("3 recordings")
        and "up to 9 times" in loud
        and "9.wav" in loud.replace("one-9", "9.wav")
    )
    (far,) = [line for line in caplog.messages if "channel=1 takes it" in line]
    assert far.startswith("2 recordings") and "another channel is far louder: channel 1" in far
