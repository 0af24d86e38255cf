"""asrkit perturb: what is drawn, and the data directories it makes."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest
import soundfile
from synthetic import RATE_HZ

from asrkit.audio.perturbation import PerturbConfig, Treatment, parse_lists, treatments
from asrkit.cli.main import main
from asrkit.errors import SettingsError
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import ReadConfig
from asrkit.io.files import read_table
from asrkit.workflows.perturb import perturb

SPEAKER_HZ = {"amy": 500, "bob": 900, "cid": 1400, "dan": 2000}
UTTS = [f"{speaker}-{word}" for speaker in SPEAKER_HZ for word in ("no", "yes")]


def rng(seed=0):
    return np.random.default_rng(seed)


def asrkit(*words):
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code


def tone(freq_hz, seconds=1.0, rate_hz=RATE_HZ):
    return 0.3 * np.sin(2 * np.pi * freq_hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def loudest_hz(samples, rate_hz=RATE_HZ):
    """The frequency of a tone, to about 0.1 Hz."""
    size = 1 << 17
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    return np.argmax(power) * rate_hz / size


def level_db(samples):
    return 20 * np.log10(np.std(samples))


@pytest.fixture
def data(tmp_path):
    """A data directory in which each speaker has one pitch: four speakers, two words, in 16 bit."""
    folder = tmp_path / "data"
    (folder / "wav").mkdir(parents=True)
    for utt in UTTS:
        speaker, word = utt.split("-")
        sound = tone(SPEAKER_HZ[speaker], 0.3 if word == "no" else 0.41)
        soundfile.write(folder / "wav" / f"{utt}.wav", sound, RATE_HZ, subtype="PCM_16")
    tables = {
        "wav.scp": lambda utt: f"{folder}/wav/{utt}.wav",
        "text": lambda utt: utt[4:],
        "utt2spk": lambda utt: utt[:3],
    }
    for name, value in tables.items():
        (folder / name).write_text("".join(f"{utt} {value(utt)}\n" for utt in UTTS))
    assert asrkit("fix-data", folder) == 0
    return folder


@pytest.fixture
def noise_dir(tmp_path):
    """Two recordings of a hum at another rate, one shorter than any word."""
    folder = tmp_path / "noise"
    folder.mkdir()
    for name, seconds in (("long", 2.0), ("short", 0.125)):
        soundfile.write(folder / f"{name}.wav", tone(1000, seconds, 16000), 16000)
    (folder / "wav.scp").write_text("".join(f"{name} {folder}/{name}.wav\n" for name in ("long", "short")))
    return folder


def records(out):
    with open(out / "perturb.tsv", newline="") as stream:
        return {row["utt"]: row for row in csv.DictReader(stream, delimiter="\t")}


def sounds(out):
    return {utt: read_audio(path)[0].astype(float) for utt, path in read_table(out / "wav.scp").items()}


def added_noise(data, out):
    """What is in the copies and not in the originals, by the gains that perturb.tsv tells."""
    clean, found = sounds(data), sounds(out)
    return {
        utt: found[utt] / 10 ** (float(row["gain_db"]) / 20) - clean[row["original"]]
        for utt, row in records(out).items()
    }


def files(out):
    """Every recording and every table of a data directory, wav.scp's own place left out."""
    found = {path.name: path.read_bytes() for path in (out / "wavs").iterdir()}
    return {
        **found,
        **{
            path.name: path.read_bytes()
            for path in out.iterdir()
            if path.is_file() and path.name != "wav.scp"
        },
    }


# What is drawn


def test_lists_are_drawn_from_evenly():
    config = PerturbConfig(noise="none,white,pink", snr="20,10", gain_db=6.0, copies=3000)
    drawn = [treatment for _, treatment in treatments(config, parse_lists(config), "amy-no")]
    assert len(drawn) == 3000
    for noise in ("none", "white", "pink"):
        assert 900 < sum(treatment.noise == noise for treatment in drawn) < 1100
    assert {treatment.snr for treatment in drawn if treatment.noise == "none"} == {None}
    noisy = [treatment.snr for treatment in drawn if treatment.noise != "none"]
    assert set(noisy) == {20.0, 10.0} and 900 < noisy.count(20.0) < 1100
    gains = [treatment.gain_db for treatment in drawn]
    assert min(gains) == pytest.approx(-6, abs=0.05) and max(gains) == pytest.approx(6, abs=0.05)
    assert [copy for copy, _ in treatments(config, parse_lists(config), "amy-no")] == list(range(1, 3001))


def test_a_grid_is_every_combination_once():
    config = PerturbConfig(noise="none,white", snr="20,10", speed="0.9,1", grid=True, copies=2)
    found = [(copy, t.noise, t.snr, t.speed) for copy, t in treatments(config, parse_lists(config), "amy-no")]
    noises = [("none", None), ("white", 20.0), ("white", 10.0)]
    assert sorted(found, key=str) == sorted(
        ((c, *noise, s) for c in (1, 2) for noise in noises for s in (0.9, 1.0)), key=str
    )


def test_what_changes_one_setting_leaves_the_rest():
    """The other settings' draws, and the noise itself, are the same at every SNR."""
    one, other = (
        PerturbConfig(noise="white,pink", snr=snr, speed="0.9,1,1.1", copies=20) for snr in ("10", "20,0,5")
    )
    for (_, a), (_, b) in zip(
        treatments(one, parse_lists(one), "x"), treatments(other, parse_lists(other), "x"), strict=True
    ):
        assert dataclasses.replace(a, snr=0) == dataclasses.replace(b, snr=0)


WRONG = {
    "nothing": (
        [],
        "nothing to do: one of --noise ..., --reverb ..., --speed ..., --tempo ..., --warp ..., --gain-db ... is needed",
    ),
    "neutral": (["--speed=1", "--reverb=0,0.0"], "--reverb 0,0.0: 0.0 stands there twice"),
    "noise": (
        ["--noise=pink,bable"],
        "--noise pink,bable: 'bable' is none of none, white, pink, babble, recorded (did you mean babble?)",
    ),
    "snr": (["--noise=white", "--snr=10,loud"], "--snr 10,loud: 'loud' is no number"),
    "snr without noise": (
        ["--speed=0.9", "--snr=10"],
        "--snr 10, but of which noise? (--noise white, pink, babble, recorded)",
    ),
    "empty": (["--noise=white", "--snr="], "--snr=: '' is no number"),
    "not finite": (["--noise=white", "--snr=nan"], "--snr nan: nan is not a finite number"),
    "too loud": (["--noise=white", "--snr=10,200"], "--snr 10,200: 200 is more than 100"),
    "speed": (["--speed=0.9,0"], "--speed 0.9,0: 0 is less than 0.5"),
    "tempo": (["--tempo=3"], "--tempo 3: 3 is more than 2"),
    "warp": (["--warp=x"], "--warp x: 'x' is no number"),
    "reverb": (["--reverb=-0.1"], "--reverb -0.1: -0.1 is less than 0"),
    "drr": (["--reverb=0.3", "--drr=99"], "argument --drr: 99 is more than 60"),
    "gain": (["--gain-db=-3"], "argument --gain-db: -3 is less than 0"),
    "copies": (["--speed=0.9", "--copies=0"], "argument --copies: 0 is less than 1"),
    "voices": (["--noise=babble", "--babble-voices=0"], "argument --babble-voices: 0 is less than 1"),
    "no noise dir": (["--noise=recorded"], "--noise recorded needs --noise-dir DIR"),
    "noise dir in vain": (
        ["--noise=white", "--noise-dir=x"],
        "--noise-dir x, but recorded is not among --noise white",
    ),
    "babble dir in vain": (
        ["--noise=white", "--babble-dir=x"],
        "--babble-dir x, but babble is not among --noise white",
    ),
    "unknown": (["--nois=white"], "unknown option --nois (did you mean --noise?)"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_wrong_usage(data, tmp_path, capsys, words, message):
    capsys.readouterr()
    assert asrkit("perturb", data, tmp_path / "out", *words) == 2
    out, err = capsys.readouterr()
    assert message in err and "asrkit perturb --help explains" in err and out == ""
    assert not (tmp_path / "out").exists()


def test_defaults_change_nothing():
    assert PerturbConfig().copies == 1
    with pytest.raises(SettingsError, match="nothing to do"):
        parse_lists(PerturbConfig())


def test_noise_differs_from_copy_to_copy_and_from_word_to_word(data, tmp_path):
    assert asrkit("perturb", data, tmp_path / "out", "--noise", "white", "--snr", "0", "--copies", 2) == 0
    noises = [noise[:2400] for noise in added_noise(data, tmp_path / "out").values()]
    assert np.abs(np.corrcoef(noises) - np.eye(16)).max() < 0.15


# The command


@pytest.mark.parametrize("kind", ["white", "pink", "babble", "recorded"])
def test_measured_snr_is_the_stated_one(data, noise_dir, tmp_path, capsys, kind):
    words = {"recorded": ["--noise-dir", noise_dir], "babble": ["--babble-voices", 3]}.get(kind, [])
    out = tmp_path / "out"
    capsys.readouterr()
    assert asrkit("perturb", data, out, "--noise", kind, "--snr", "20,10,0,5", "--grid", "true", *words) == 0
    message = capsys.readouterr().out
    assert message.startswith(f"perturbed 8, skipped 0: 32 utterances in {out}, ")
    clean, rows, found, noises = sounds(data), records(out), sounds(out), added_noise(data, out)
    assert sorted(rows) == sorted(f"{utt}-{kind}{snr}-1" for utt in UTTS for snr in (20, 10, 0, 5))
    scaled = 0
    for utt, row in rows.items():
        speech, noise = clean[row["original"]], noises[utt]
        assert level_db(speech) - level_db(noise) == pytest.approx(float(row["snr"]), abs=0.1)
        assert np.abs(found[utt]).max() < 1
        scaled += float(row["gain_db"]) < 0
        if kind == "babble":
            power = np.abs(np.fft.rfft(noise, RATE_HZ)) ** 2
            shares = {name: power[hz - 30 : hz + 31].sum() / power.sum() for name, hz in SPEAKER_HZ.items()}
            own = utt[:3]
            assert shares[own] < 0.01
            assert all(share > 0.2 for name, share in shares.items() if name != own)
        if kind == "recorded":
            assert loudest_hz(noise) == pytest.approx(1000, abs=2)
    assert f", {scaled} scaled down" in message


def test_out_is_a_data_directory(data, tmp_path, capsys):
    out = tmp_path / "out"
    settings = [
        "--noise",
        "white,babble",
        "--speed",
        "0.9,1",
        "--reverb",
        "0,0.2",
        "--copies",
        3,
        "--gain-db",
        3,
    ]
    assert asrkit("perturb", data, out, *settings) == 0
    assert asrkit("validate-data", out) == 0
    rows, found = records(out), read_data_dir(out)
    assert list(rows) == found.utts and len(rows) == 24
    uniq, lengths = read_table(out / "utt2uniq"), read_table(out / "utt2dur")
    for utt, row in rows.items():
        original = row["original"]
        assert (
            uniq[utt] == original and found.text[utt] == original[4:] and found.speaker(utt) == original[:3]
        )
        treatment = Treatment(
            noise=row["noise"], snr=float(row["snr"]), reverb=float(row["reverb"]), speed=float(row["speed"])
        )
        assert utt.rpartition("-")[0] == original + treatment.suffix and utt[-1] in "123"
        info = soundfile.info(found.wav[utt])
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("WAV", "PCM_16", RATE_HZ, 1)
        assert float(lengths[utt]) == pytest.approx(info.duration, abs=1e-3)
        assert info.duration == pytest.approx((0.3 if "-no" in utt else 0.41) / treatment.speed, abs=1e-3)
    assert {row["noise"] for row in rows.values()} == {"white", "babble"} and {
        row["speed"] for row in rows.values()
    } == {"0.9", "1"}
    assert asrkit("compute-mfcc", out, "--sample-frequency=8000") == asrkit("validate-data", out) == 0


def test_kept_originals_are_the_recordings_themselves(data, tmp_path):
    out = tmp_path / "out"
    soundfile.write(data / "wav" / "amy-no.wav", np.linspace(-32768, 32767, 3000).astype(np.int16), RATE_HZ)
    assert asrkit("perturb", data, out, "--warp", "0.9,1.1", "--keep-original") == 0
    assert len(read_table(out / "wav.scp")) == 16 and set(UTTS) < set(read_table(out / "text"))
    for utt in UTTS:
        old, new = (
            soundfile.read(folder / f"{utt}.wav", dtype="int16")[0] for folder in (data / "wav", out / "wavs")
        )
        np.testing.assert_array_equal(old, new)
        assert read_table(out / "utt2uniq")[utt] == utt
    assert asrkit("validate-data", out) == 0
    again = tmp_path / "again"  # copies of copies are of the first original
    assert asrkit("perturb", out, again, "--noise", "white") == 0
    assert set(read_table(again / "utt2uniq").values()) == set(UTTS)


def test_same_seed_same_bytes_whatever_the_jobs(data, noise_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("asrkit.workflows.perturb.CHUNK", 3)
    settings = [
        "--noise",
        "white,pink,babble,recorded",
        "--noise-dir",
        noise_dir,
        "--reverb",
        "0.2",
        "--warp",
        "0.9,1.1",
        "--gain-db",
        6,
        "--copies",
        2,
    ]
    for name, words in {"a": [], "b": [], "c": ["--nj", 2], "d": ["--seed", 1]}.items():
        assert asrkit("perturb", data, tmp_path / name, *settings, *words) == 0
    a, b, c, d = (files(tmp_path / name) for name in "abcd")
    assert a == b == c
    assert not [name for name in a.keys() & d.keys() if name.endswith(".wav") and a[name] == d[name]]


def test_an_utterance_does_not_hang_on_its_neighbours(data, tmp_path):
    settings = [
        "--noise",
        "white,pink,babble",
        "--babble-dir",
        data,
        "--reverb",
        "0.1,0.3",
        "--tempo",
        "0.9,1.1",
        "--copies",
        2,
    ]
    assert asrkit("perturb", data, tmp_path / "whole", *settings) == 0
    assert asrkit("subset-data", data, tmp_path / "few", "--utt-regex", "(bob|dan)-yes") == 0
    assert asrkit("perturb", tmp_path / "few", tmp_path / "part", *settings) == 0
    whole, part = (files(tmp_path / name) for name in ("whole", "part"))
    recordings = {name: sound for name, sound in part.items() if name.endswith(".wav")}
    assert len(recordings) == 4 and recordings.items() <= whole.items()


def test_segments_are_cut(make_data_dir, tmp_path):
    folder = make_data_dir(segments=True)
    assert asrkit("perturb", folder, tmp_path / "out", "--noise", "white", "--snr", "90") == 0
    found, whole = sounds(tmp_path / "out"), read_audio(str(folder / "wav" / "amy.wav"))[0]
    assert len(found) == 6 and not (tmp_path / "out" / "segments").exists()
    np.testing.assert_allclose(found["amy-no-white90-1"], whole[:2000], atol=1e-4)
    np.testing.assert_allclose(found["amy-yes-white90-1"], whole[2000:], atol=1e-4)
    assert read_table(tmp_path / "out" / "spk2gender") == {"amy": "f", "bob": "m", "cid": "m"}
    assert asrkit("validate-data", tmp_path / "out") == 0


def test_a_second_run_replaces_the_first(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert asrkit("perturb", data, out, "--noise", "white", "--snr", "20,10,5", "--grid", "true") == 0
    assert asrkit("compute-mfcc", out, "--sample-frequency=8000") == 0
    assert asrkit("perturb", data, out, "--noise", "white", "--snr", 10, "--seed", 3) == 0
    assert sorted(path.name for path in (out / "wavs").iterdir()) == sorted(
        f"{utt}-white10-1.wav" for utt in UTTS
    )
    assert not (out / "feats.scp").exists() and asrkit("validate-data", out) == 0
    assert "utt2dur: removed" not in capsys.readouterr().err
    tables = {"wav.scp", "text", "utt2spk", "spk2utt", "utt2dur", "utt2uniq", "perturb.tsv"}
    assert {path.name for path in out.iterdir()} - {"data", ".backup"} == {*tables, "wavs"}
    before = files(out)
    (data / "wav" / "bob-no.wav").write_bytes(b"")
    # breaks off: what was there stays
    assert asrkit("perturb", data, out, "--noise", "white", "--snr", 10) == 1
    assert files(out) == before and not [path for path in out.iterdir() if path.name.startswith(".wavs")]


def test_what_cannot_be_used_is_counted(data, tmp_path, capsys):
    (data / "wav" / "amy-no.wav").write_bytes(b"")
    soundfile.write(data / "wav" / "bob-yes.wav", np.zeros(3000), RATE_HZ)
    capsys.readouterr()
    assert asrkit("perturb", data, tmp_path / "out", "--noise", "babble", "--max-skipped", 1) == 1
    assert "perturbed 6, skipped 2 (amy-no: " in capsys.readouterr().err
    assert not (tmp_path / "out" / "wav.scp").exists()
    assert asrkit("perturb", data, tmp_path / "out", "--noise", "babble", "--max-skipped", 2) == 0
    out, err = capsys.readouterr()
    assert out.startswith("perturbed 6, skipped 2 (amy-no: ") and "bob-yes: silent" in out
    assert (
        "WARNING: 1 recordings could not be used as noise" in err and "amy-no.wav: the file is empty" in err
    )
    assert (
        len(read_table(tmp_path / "out" / "wav.scp")) == 6 and asrkit("validate-data", tmp_path / "out") == 0
    )


def test_from_python(data, tmp_path, capsys):
    (data / "wav" / "amy-no.wav").write_bytes(b"")
    capsys.readouterr()
    out, config = tmp_path / "out", PerturbConfig(noise="white", snr="10", gain_db=30.0, copies=2)
    made = perturb(data, out, config=config, read=ReadConfig(max_skipped=1))
    assert made.num_originals == 7 and len(made.copies) == 14 and list(made.skipped) == ["amy-no"]
    rows, lengths = records(out), read_table(out / "utt2dur")
    assert rows.keys() == made.copies.keys() == read_table(out / "wav.scp").keys()
    for utt, copy in made.copies.items():
        assert (rows[utt]["original"], rows[utt]["noise"]) == (copy.original, copy.treatment.noise)
        assert float(rows[utt]["gain_db"]) == pytest.approx(copy.gain_db, abs=1e-4)
        assert float(lengths[utt]) == pytest.approx(copy.duration_s, abs=1e-3)
    lower = {utt for utt, copy in made.copies.items() if copy.gain_db < copy.treatment.gain_db}
    assert 0 < made.num_scaled == len(lower) < 14
    assert capsys.readouterr().out == ""
    before = files(out)
    words = ["--noise=white", "--snr=10", "--gain-db=30", "--copies=2", "--max-skipped=1"]
    assert asrkit("perturb", data, out, *words) == 0
    assert capsys.readouterr().out.splitlines() == made.lines() and files(out) == before
    with pytest.raises(SettingsError, match="noise=recorded needs noise_dir=DIR"):
        perturb(data, out, config=PerturbConfig(noise="recorded"))


def test_several_channels(data, tmp_path, capsys):
    both = np.stack([tone(300, 0.3), tone(700, 0.3)], axis=1)
    soundfile.write(data / "wav" / "amy-no.wav", both, RATE_HZ)
    assert asrkit("perturb", data, tmp_path / "out", "--gain-db", 1, "--channel", 1, "--max-skipped", 7) == 0
    assert "1 recordings (amy-no, ...) have several channels: channel 1 is used" in capsys.readouterr().err
    assert loudest_hz(sounds(tmp_path / "out")["amy-no-1"]) == pytest.approx(700, abs=3)
    assert asrkit("perturb", data, tmp_path / "out", "--gain-db", 1, "--strict") == 1
    assert "refused by --strict true" in capsys.readouterr().err
    assert asrkit("perturb", data, tmp_path / "out", "--gain-db", 1, "--strict", "--max-skipped", 1) == 0
    assert "refused by --strict true" in capsys.readouterr().out


def damage_no_wav(data, out):
    (data / "wav.scp").unlink()


def damage_one_speaker(data, out):
    (data / "utt2spk").write_text("".join(f"{utt} amy\n" for utt in UTTS))


def damage_in_the_way(data, out):
    out.write_text("in the way")


def damage_not_ours(data, out):
    shutil.copytree(data, out)


def damage_recordings_not_ours(data, out):
    (out / "wavs").mkdir(parents=True)


def damage_same_name(data, out):
    for name in ("wav.scp", "text", "utt2spk"):
        (data / name).write_text((data / name).read_text().replace("amy-yes ", "amy-no-babble10-1 "))


BROKEN = {
    "no wav.scp": (damage_no_wav, "data/wav.scp: no such file (asrkit prepare-wavs makes one)"),
    "one speaker": (
        damage_one_speaker,
        "data: only speaker 'amy', whom nobody else can drown (--babble-dir DIR names others)",
    ),
    "in the way": (damage_in_the_way, "out: cannot be written"),
    "not ours": (
        damage_not_ours,
        "out: holds recordings that asrkit perturb did not make (choose another output folder)",
    ),
    "recordings not ours": (
        damage_recordings_not_ours,
        "out: holds recordings that asrkit perturb did not make (choose another output folder)",
    ),
    "same name": (
        damage_same_name,
        "of 'amy-no' and 'amy-no-babble10-1' come two utterances 'amy-no-babble10-1' (rename one",
    ),
}


@pytest.mark.parametrize(("damage", "message"), BROKEN.values(), ids=BROKEN)
def test_data_that_fails(data, tmp_path, capsys, damage, message):
    damage(data, tmp_path / "out")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert asrkit("perturb", data, tmp_path / "out", "--noise", "babble", "--snr", 10, "--keep-original") == 1
    out, err = capsys.readouterr()
    assert message in err and err.count("error:") == 1 and out == ""
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_folders_of_noise_that_fail(data, noise_dir, tmp_path, capsys):
    def error(*words):
        assert asrkit("perturb", data, tmp_path / "out", *words) == 1
        return capsys.readouterr().err

    assert f"{tmp_path}/none: no such folder" in error(
        "--noise", "recorded", "--noise-dir", tmp_path / "none"
    )
    assert f"{tmp_path}/none: no such folder" in error("--noise", "babble", "--babble-dir", tmp_path / "none")
    for name in ("long", "short"):
        soundfile.write(noise_dir / f"{name}.wav", np.zeros(30000), 16000)
    assert f"{noise_dir}: no recording that makes a noise" in error(
        "--noise", "recorded", "--noise-dir", noise_dir
    )


@pytest.mark.parametrize("words", [[], ["--noise-dir"], ["--babble-dir"]])
def test_out_must_be_another_folder(data, noise_dir, tmp_path, capsys, words):
    before = files_of(tmp_path)
    place = noise_dir if words else data
    assert (
        asrkit(
            "perturb",
            data,
            place,
            "--noise",
            "recorded,babble",
            "--noise-dir",
            noise_dir,
            *words,
            *[noise_dir][: len(words)],
        )
        == 2
    )
    assert f"{place}: the output folder is " in capsys.readouterr().err and files_of(tmp_path) == before


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_names_that_no_file_can_have(data, tmp_path):
    for name in ("wav.scp", "text", "utt2spk"):
        (data / name).write_text((data / name).read_text().replace("amy-yes ", "amy-yes/% "))
    assert asrkit("perturb", data, tmp_path / "out", "--speed", "1.1") == 0
    assert read_table(tmp_path / "out" / "wav.scp")["amy-yes/%-sp1.1-1"].endswith(
        "/out/wavs/amy-yes%2F%25-sp1.1-1.wav"
    )
    assert asrkit("validate-data", tmp_path / "out") == 0
