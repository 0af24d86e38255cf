"""compute-mfcc, compute-cmvn and detect-endpoints on whole data directories, sound and damaged."""

import os
import re
import shutil

import kaldiio
import numpy as np
import pytest
import soundfile

from asrkit.cli.main import main
from asrkit.features.kinds.mfcc import MfccConfig, compute_mfcc
from asrkit.features.transform import TransformConfig, cmvn_stats
from asrkit.io.archive import read_matrix
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import read_features, read_record
from asrkit.io.files import read_table
from asrkit.workflows.compute_cmvn import compute_cmvn
from asrkit.workflows.compute_features import compute_features

RATE = "--sample-frequency=8000"
CONFIG = MfccConfig(sample_rate_hz=8000)
UTTS = ["amy-no", "amy-yes", "bob-no", "bob-yes", "cid-no", "cid-yes"]


def asrkit(*words):
    return main([str(word) for word in words])


def matrices(folder, name="feats.scp"):
    return {key: read_matrix(spec, base=folder) for key, spec in read_table(folder / name).items()}


def samples_of(folder, name):
    return read_audio(str(folder / "wav" / f"{name}.wav"))[0]


# compute-mfcc


@pytest.mark.parametrize("nj", [1, 2, 3])
@pytest.mark.bytes
def test_features_are_those_of_the_recordings(make_data_dir, monkeypatch, capsys, nj):
    folder = make_data_dir()
    defaults = compute_features.__wrapped__.__kwdefaults__
    monkeypatch.setitem(defaults, "chunk", 4)
    if nj == 2:
        monkeypatch.setitem(defaults, "little", 0)
    assert asrkit("compute-mfcc", folder, RATE, "--nj", nj) == 0
    assert capsys.readouterr().out == f"computed 6, skipped 0: 138 frames in {folder}/feats.scp\n"
    feats = matrices(folder)
    assert list(feats) == UTTS
    for utt, found in feats.items():
        np.testing.assert_array_equal(found, compute_mfcc(samples_of(folder, utt), CONFIG))
        assert found.dtype == np.float32 and found.shape == (23, 13)
    assert read_table(folder / "utt2num_frames") == dict.fromkeys(UTTS, "23")
    assert read_table(folder / "utt2dur") == dict.fromkeys(UTTS, "0.25")
    assert (folder / "frame_shift").read_text() == "0.01\n"
    assert read_record(MfccConfig, folder / "frontend.conf") == CONFIG
    names = {path.name for path in (folder / "data").iterdir()}
    assert names == {f"raw_mfcc_data.{job}.{kind}" for job in range(1, nj + 1) for kind in ("ark", "scp")}
    assert asrkit("compute-cmvn", folder) == asrkit("validate-data", folder) == 0


def test_settings_arrive_in_the_features_and_the_record(make_data_dir):
    folder = make_data_dir()
    assert (
        asrkit("compute-mfcc", folder, RATE, "--num-ceps=7", "--frame-shift", "12.5", "--use-energy", "false")
        == 0
    )
    config = MfccConfig(sample_rate_hz=8000, num_ceps=7, frame_shift_ms=12.5, use_energy=False)
    np.testing.assert_array_equal(
        matrices(folder)["bob-no"], compute_mfcc(samples_of(folder, "bob-no"), config)
    )
    assert (folder / "frame_shift").read_text() == "0.0125\n"
    features = read_features(folder, transform_config=TransformConfig())
    assert features.frontend.kind == config and features.frame_shift_s() == 0.0125


def test_segments_cut_the_recordings(make_data_dir):
    folder = make_data_dir(segments=True)
    (folder / "segments").write_text(
        (folder / "segments").read_text().replace("amy-no amy 0.0 0.25", "amy-no amy 0.1 0.4")
    )
    assert asrkit("compute-mfcc", folder, RATE) == 0
    feats, whole = matrices(folder), samples_of(folder, "amy")
    np.testing.assert_array_equal(feats["amy-no"], compute_mfcc(whole[800:3200], CONFIG))
    # to the end, as -1 says
    np.testing.assert_array_equal(feats["amy-yes"], compute_mfcc(whole[2000:], CONFIG))
    assert read_table(folder / "utt2dur")["amy-no"] == "0.3"


def test_segments_in_another_order_than_their_recordings(make_data_dir):
    folder = make_data_dir(segments=True)
    turned = {"amy": "cid", "cid": "amy", "bob": "bob"}
    lines = [line.split() for line in (folder / "segments").read_text().splitlines()]
    (folder / "segments").write_text(
        "".join(f"{utt} {turned[name]} {start} {end}\n" for utt, name, start, end in lines)
    )
    assert asrkit("compute-mfcc", folder, RATE) == 0
    feats = matrices(folder)
    assert list(feats) == UTTS
    np.testing.assert_array_equal(feats["amy-no"], compute_mfcc(samples_of(folder, "cid")[:2000], CONFIG))


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        ("amy-no amy 0.0 0.9", "segment ends at 0.9 s, the recording at 0.5 s"),
        ("amy-no amy 0.6 -1", "no samples"),
        ("amy-no amy 0.0 0.01", "0.010 s, shorter than one window"),
        ("amy-no zoe 0.0 0.1", "segments: utterance 'amy-no' is of recording 'zoe', which is not in wav.scp"),
    ],
)
def test_segments_that_do_not_fit(make_data_dir, capsys, segment, message):
    folder = make_data_dir(segments=True)
    (folder / "segments").write_text(
        (folder / "segments").read_text().replace("amy-no amy 0.0 0.25", segment)
    )
    assert asrkit("compute-mfcc", folder, RATE) == 1
    assert message in capsys.readouterr().err


REASONS = (
    "the file is empty",
    "cut off",
    "silent",
    "4000 samples are NaN",
    "0.013 s, shorter than one window",
    "No such file",
)


@pytest.fixture
def damaged(make_data_dir):
    """A data directory with eight utterances, the first six of them bad, each in its own way."""
    folder = make_data_dir()
    paths = [folder / "wav" / f"{utt}.wav" for utt in UTTS]
    for utt in ("dan-no", "dan-yes"):
        shutil.copy(paths[0], folder / "wav" / f"{utt}.wav")
    with open(folder / "wav.scp", "a") as stream:
        stream.writelines(f"{utt} {folder}/wav/{utt}.wav\n" for utt in ("dan-no", "dan-yes"))
    paths[0].write_bytes(b"")
    os.truncate(paths[1], 1000)
    soundfile.write(paths[2], np.zeros(4000), 8000)
    soundfile.write(paths[3], np.full(4000, np.nan), 8000, subtype="FLOAT")
    soundfile.write(paths[4], np.tile([0.1, -0.1], 50), 8000)
    paths[5].unlink()
    return folder


def test_bad_recordings_are_named_and_nothing_is_half_written(damaged, capsys):
    folder = damaged
    (folder / "feats.scp").write_bytes(before := b"old features\n")
    assert asrkit("compute-mfcc", folder, RATE, "--max-skipped", "5") == 1
    out, err = capsys.readouterr()
    assert (
        out == ""
        and "computed 2, skipped 6 (amy-no: " in err
        and "and 3 more): more than --max-skipped 5" in err
    )
    assert (folder / "feats.scp").read_bytes() == before and not list((folder / "data").iterdir()), (
        "the old features stay"
    )
    assert asrkit("compute-mfcc", folder, RATE, "--max-skipped", "6") == 0
    out, err = capsys.readouterr()
    assert out.startswith("computed 2, skipped 6 (")
    for name in ("feats.scp", "utt2num_frames", "utt2dur"):
        assert list(read_table(folder / name)) == ["dan-no", "dan-yes"]


@pytest.mark.parametrize("index", range(6))
def test_each_bad_recording_has_its_reason(damaged, capsys, index):
    utt = UTTS[index]
    lines = [
        line for line in (damaged / "wav.scp").read_text().splitlines() if line.split()[0] in (utt, "dan-no")
    ]
    (damaged / "wav.scp").write_text("".join(f"{line}\n" for line in lines))
    assert asrkit("compute-mfcc", damaged, RATE) == 1
    assert re.search(f"error: computed 1, skipped 1 .{utt}: .*{REASONS[index]}", capsys.readouterr().err)


@pytest.mark.parametrize("content", ["", None])
def test_nothing_to_compute(make_data_dir, capsys, content):
    folder = make_data_dir()
    if content is None:
        for path in (folder / "wav").iterdir():
            path.write_bytes(b"")
    else:
        (folder / "wav.scp").write_text(content)
    assert asrkit("compute-mfcc", folder, RATE, "--max-skipped", "99") == 1
    assert re.search("no utterances|no recording could be used: amy-no: ", capsys.readouterr().err)
    assert not list(folder.glob("data/*"))


def test_an_ark_that_cannot_be_written(make_data_dir, capsys):
    folder = make_data_dir()
    (folder / "data" / "raw_mfcc_data.2.ark").mkdir(parents=True)
    assert asrkit("compute-mfcc", folder, RATE, "--nj", "2") == 1
    assert "Is a directory" in capsys.readouterr().err.splitlines()[-1]
    assert (
        not [path.name for path in (folder / "data").iterdir() if path.name.startswith(".")]
        and not (folder / "feats.scp").exists()
    )


def test_rates_are_made_equal(make_data_dir, capsys):
    folder = make_data_dir()
    t = np.arange(16000) / 16000
    soundfile.write(folder / "wav" / "amy-no.wav", 0.3 * np.sin(2 * np.pi * 440 * t[:4000]), 16000)
    soundfile.write(folder / "wav" / "amy-yes.wav", 0.3 * np.sin(2 * np.pi * 440 * t[:4000:2]), 8000)
    assert asrkit("compute-mfcc", folder, RATE) == 0
    assert "WARNING" not in capsys.readouterr().err
    feats = matrices(folder)
    assert feats["amy-no"].shape == feats["amy-yes"].shape
    assert np.abs(feats["amy-no"][2:-2, 0] - feats["amy-yes"][2:-2, 0]).max() < 0.01
    assert asrkit("compute-mfcc", folder) == 0
    assert capsys.readouterr().err.count("WARNING: 5 recordings (amy-yes, ...) have a lower rate") == 1
    assert set(read_table(folder / "utt2dur").values()) == {"0.25"}


def test_channels(make_data_dir, capsys):
    folder = make_data_dir()
    left, right = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 2000)).astype(np.float32)
    soundfile.write(folder / "wav" / "amy-no.wav", np.stack([left, right], axis=1), 8000, subtype="FLOAT")
    for channel, samples in ((0, left), (1, right)):
        assert asrkit("compute-mfcc", folder, RATE, "--channel", channel, "--max-skipped=5") == 0
        np.testing.assert_array_equal(matrices(folder)["amy-no"], compute_mfcc(samples, CONFIG))
        assert re.search(
            rf"^WARNING: 1 recordings \(amy-no, ...\) have several channels: channel {channel} is used",
            capsys.readouterr().err,
            re.MULTILINE,
        )
    assert asrkit("compute-mfcc", folder, RATE, "--strict") == 1
    assert "skipped 1 (amy-no: " in capsys.readouterr().err


@pytest.mark.parametrize(("method", "most"), [(1, 0.3), (2, 0.3), (3, 0.005), (5, 0.3)])
def test_compression(make_data_dir, method, most):
    folder = make_data_dir()
    assert asrkit("compute-mfcc", folder, RATE) == 0
    whole, size = matrices(folder), sum(path.stat().st_size for path in folder.glob("data/*.ark"))
    assert asrkit("compute-mfcc", folder, RATE, "--compress", method) == 0
    assert sum(path.stat().st_size for path in folder.glob("data/*.ark")) < 0.6 * size
    for utt, found in matrices(folder).items():
        assert 0 < np.abs(found - whole[utt]).max() < most


@pytest.mark.parametrize("method", [-1, 4, 6, 7, 8])
def test_compression_that_would_spoil_features(make_data_dir, capsys, method):
    folder = make_data_dir()
    with pytest.raises(SystemExit, match="2"):
        asrkit("compute-mfcc", folder, RATE, f"--compress={method}")
    assert f"--compress={method}" in capsys.readouterr().err and (folder / "feats.scp").exists()


def test_computing_again_keeps_the_old_table_and_forgets_old_statistics(make_data_dir, capsys):
    folder = make_data_dir()
    old = {name: (folder / name).read_text() for name in ("feats.scp", "cmvn.scp")}
    assert asrkit("compute-mfcc", folder, RATE) == 0
    err = capsys.readouterr().err
    for name, content in old.items():
        assert (
            folder / ".backup" / name
        ).read_text() == content and f"{folder / name} moved to {folder}/.backup\n" in err
    assert (folder / "feats.scp").read_text() != old["feats.scp"] and not (folder / "cmvn.scp").exists()
    first = (folder / "data" / "raw_mfcc_data.1.ark").read_bytes()
    assert asrkit("compute-mfcc", folder, RATE) == 0
    assert (folder / "data" / "raw_mfcc_data.1.ark").read_bytes() == first


def test_pipes_run_only_when_allowed(make_data_dir, tmp_path, capsys):
    folder = make_data_dir()
    wav = folder / "wav" / "amy-no.wav"
    (folder / "wav.scp").write_text(f"amy-no touch {tmp_path}/ran; cat {wav} |\n")
    for name in ("compute-mfcc", "detect-endpoints"):
        assert asrkit(name, folder) == 1
        assert "is a shell pipe" in capsys.readouterr().err and not (tmp_path / "ran").exists()
    assert asrkit("compute-mfcc", folder, RATE, "--allow-pipes", "true") == 0
    assert (tmp_path / "ran").exists()
    np.testing.assert_array_equal(matrices(folder)["amy-no"], compute_mfcc(read_audio(str(wav))[0], CONFIG))


def test_from_endpoints_to_features(make_data_dir, capsys):
    folder = make_data_dir()
    quiet = 1e-4 * np.random.default_rng(1).standard_normal(8000)
    for path in (folder / "wav").iterdir():
        samples = np.concatenate([quiet[:4000], samples_of(folder, path.stem), quiet[:4000]])
        soundfile.write(path, samples, 8000)
    assert asrkit("compute-mfcc", folder, RATE) == 0
    assert "not trimmed, 0.9" in capsys.readouterr().err
    assert asrkit("detect-endpoints", folder) == asrkit("compute-mfcc", folder, RATE) == 0
    assert "not trimmed" not in capsys.readouterr().err
    assert all(0.25 <= float(value) <= 0.47 for value in read_table(folder / "utt2dur").values())


# compute-cmvn


@pytest.mark.parametrize("speakers", [True, False])
def test_statistics(make_data_dir, capsys, speakers):
    folder = make_data_dir()
    if not speakers:
        for name in ("utt2spk", "spk2utt"):
            (folder / name).unlink()
    assert asrkit("compute-cmvn", folder) == 0
    feats, stats = matrices(folder), matrices(folder, "cmvn.scp")
    assert capsys.readouterr().out == f"computed statistics of {len(stats)} speakers in {folder}/cmvn.scp\n"
    assert list(stats) == (["amy", "bob", "cid"] if speakers else UTTS)
    for name, found in stats.items():
        own = np.concatenate([feats[utt] for utt in UTTS if utt.startswith(name)])
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, cmvn_stats(own))


def test_statistics_from_python(make_data_dir, capsys):
    folder = make_data_dir()
    computed = compute_cmvn(folder)
    assert computed.scp == folder / "cmvn.scp" and computed.speakers == list(matrices(folder, "cmvn.scp"))
    assert computed.speakers == ["amy", "bob", "cid"] and capsys.readouterr().out == ""
    assert asrkit("compute-cmvn", folder) == 0
    assert capsys.readouterr().out.splitlines() == computed.lines()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((5, 4), np.nan, np.float32), "5 of 5 frames hold NaN"),
        (np.ones(4, np.float32), "a vector of 4"),
        (np.zeros((0, 4), np.float32), "no frames"),
        (np.ones((5, 3), np.float32), "dimension 3, those before it 4"),
    ],
)
def test_statistics_of_bad_features(make_data_dir, capsys, array, message):
    folder = make_data_dir()
    kaldiio.save_ark(str(folder / "other.ark"), {"amy-yes": array}, scp=str(folder / "other.scp"))
    lines = (folder / "feats.scp").read_text().splitlines(keepends=True)
    (folder / "feats.scp").write_text(lines[0] + (folder / "other.scp").read_text() + "".join(lines[2:]))
    old = (folder / "cmvn.scp").read_text()
    assert asrkit("compute-cmvn", folder) == 1
    err = capsys.readouterr().err
    assert "feats.scp: utterance 'amy-yes'" in err and message in err
    assert (folder / "cmvn.scp").read_text() == old and read_data_dir(folder).cmvn


def test_rates_and_durations_can_be_refused(tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    for name, rate, seconds in (
        ("low", 8000, 0.5),
        ("same", 16000, 0.5),
        ("high", 44100, 0.5),
        ("short", 16000, 0.1),
    ):
        soundfile.write(
            tmp_path / f"{name}.wav",
            np.random.default_rng(0).normal(scale=0.1, size=int(rate * seconds)),
            rate,
        )
    names = ("high", "low", "same", "short")
    (data / "wav.scp").write_text("".join(f"{name} {tmp_path}/{name}.wav\n" for name in names))
    words = [
        "compute-mfcc",
        str(data),
        "--allow-downsample=false",
        "--allow-upsample=false",
        "--min-duration=0.3",
    ]
    assert main(words) == 1
    err = capsys.readouterr().err
    for reason in (
        "high: recorded at 44100 Hz, above 16000 Hz",
        "low: recorded at 8000 Hz, below",
        "short: 0.100 s, less than",
    ):
        assert reason in err
    assert main([*words, "--max-skipped", "3"]) == 0
    assert (data / "feats.scp").read_text().split()[0] == "same"
