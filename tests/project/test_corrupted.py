"""The recipe's test with corrupted speech: what is done to the recordings, and the stage as a whole."""

import importlib.util
import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from command import asrkit
from scipy.stats import kendalltau

from asrkit.io.alignment import read_ctm
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.files import read_table
from asrkit.io.ratings import read_ratings, read_scores
from asrkit.plots import ratings as plots_pronunciation

TOP = Path(__file__).resolve().parents[2]
FSDD = TOP.parent / "shared/data/free-spoken-digit-dataset/recordings"
RATE = 8000
WORDS = {"0": (400, 900), "1": (1500, 600)}  # the tones that a word is made of, Hz


@pytest.fixture(scope="module")
def corrupted():
    spec = importlib.util.spec_from_file_location("corrupted", TOP / "egs/speechocean762/local/corrupted.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rng(seed=1):
    return np.random.default_rng(seed)


def tone(freq_hz, count=RATE):
    return 0.2 * np.sin(2 * np.pi * freq_hz * np.arange(count) / RATE)


# What is done to the recordings


@pytest.mark.parametrize("kind", ["noise", "warp", "smear"])
def test_level_0_is_the_recording_and_the_others_keep_its_length(corrupted, kind):
    samples = (rng().standard_normal(3001) * 0.1).astype(np.float32)
    assert np.array_equal(corrupted.corrupt(kind, 0, samples, RATE, rng()), samples)
    for level in range(1, 5):
        once, again = (corrupted.corrupt(kind, level, samples, RATE, rng()) for _ in range(2))
        assert np.array_equal(once, again) and once.shape == samples.shape and np.abs(once).max() < 1
        assert not np.allclose(once, samples, atol=1e-3)


@pytest.mark.parametrize("level, snr_db", [(1, 20), (2, 10), (3, 0), (4, -10)])
def test_noise_has_the_ratio_it_should(corrupted, level, snr_db):
    samples = tone(500) * 0.1
    noise = corrupted.corrupt("noise", level, samples, RATE, rng()) - samples
    assert 10 * np.log10(np.sum(samples**2) / np.sum(noise**2)) == pytest.approx(snr_db, abs=0.05)
    halves = [np.sum(np.abs(np.fft.rfft(noise)[some]) ** 2) for some in (slice(0, 2000), slice(2000, 4001))]
    assert halves[0] == pytest.approx(halves[1], rel=0.1)  # white


@pytest.mark.parametrize("change", [0.1, 0.4, -0.4])
def test_warp_moves_times_and_frequencies_as_an_uneven_tape(corrupted, change):
    def loudest(samples):
        return np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples)), RATE)))  # Hz

    out = corrupted.warp_time(tone(1000), change)
    assert len(out) == RATE
    assert loudest(out[:3900]) == pytest.approx(1000 * (1 - change), abs=3) and loudest(
        out[4100:]
    ) == pytest.approx(1000 * (1 + change), abs=3)
    # no click where the halves meet
    assert np.abs(np.diff(out)).max() < 1.1 * 0.2 * 2 * np.pi * 1000 * (1 + abs(change)) / RATE
    clicks = np.zeros(RATE)
    places = np.array([1000, 2500, 5000, 7500])
    clicks[places] = 1
    out = corrupted.warp_time(clicks, change)
    # Where the input's moments are heard: the pace is 1 - change up to the middle of the output, then 1 +
    # change.
    wanted = np.interp(places, [0, RATE / 2 * (1 - change), RATE], [0, RATE / 2, RATE])
    found = [
        place - 20 + np.argmax(np.abs(out[place - 20 : place + 20])) for place in np.round(wanted).astype(int)
    ]
    assert np.allclose(found, wanted, atol=2)


def test_smear_rings_on_and_longer_at_each_level(corrupted):
    samples = np.zeros(RATE)
    samples[:400] = 0.1 * rng(2).standard_normal(400)
    late = []
    for level in range(1, 5):
        out = corrupted.corrupt("smear", level, samples, RATE, rng())
        # 60 dB in the level's time: between two stretches of it as far apart the power falls as exp(-13.8 t /
        # rt60).
        power = [np.mean(out[start : start + 400] ** 2) for start in (500, 900)]
        assert 10 * np.log10(power[0] / power[1]) == pytest.approx(
            60 * 0.05 / corrupted.LEVELS["smear"][level], abs=2.5
        )
        late.append(np.sum(out[800:] ** 2) / np.sum(out**2))
    assert late == sorted(late) and late[0] < 0.1 < late[-1]


def test_fifths_tile_the_recording(corrupted):
    parts = corrupted.fifths("7", 0.337)
    assert [part.label for part in parts] == ["7_1", "7_2", "7_3", "7_4", "7_5"]
    assert parts[0].start_s == 0 and parts[-1].end_s == pytest.approx(0.337, abs=1e-12)
    assert all(a.end_s == b.start_s for a, b in zip(parts, parts[1:]))
    assert np.allclose([part.end_s - part.start_s for part in parts], 0.0674)


def test_first_recordings_by_number(corrupted):
    utts = [f"{speaker}-{word}-{index}" for speaker in "ab" for word in "01" for index in (0, 1, 2, 10, 11)]
    data = DataDir(Path(), text={utt: utt[2] for utt in utts}, utt2spk={utt: utt[0] for utt in utts})
    assert corrupted.first(data, utts, 3) == [utt for utt in utts if int(utt[4:]) <= 2]


def test_limits(corrupted):
    import argparse

    parser = argparse.ArgumentParser()
    assert (
        corrupted.limits("noise=-0.4,warp=-0.5", parser) == {"noise": -0.4, "warp": -0.5}
        and corrupted.limits("", parser) == {}
    )
    for text in ("nose=-0.4", "noise", "noise=x"):
        with pytest.raises(SystemExit):
            corrupted.limits(text, parser)


def test_picture(tmp_path):
    panels = {
        "noise": {
            "loglik": [np.arange(9.0) - level for level in range(5)],
            "posterior": [np.full(3, np.nan)] + [np.ones(3)] * 4,
        }
    }
    for name in ("a.png", "b.png"):
        plots_pronunciation.plot_levels(panels, {"noise": ("none", "1", "2", "3", "-4")}, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


# The stage


def write_wav(path, samples):
    with wave.open(str(path), "wb") as stream:
        stream.setparams((1, 2, RATE, 0, "NONE", None))
        stream.writeframes((samples * 32767).astype("<i2").tobytes())


def write_words(folder):
    """Words of two tones one after the other by six speakers, each with a pitch of its own."""
    folder.mkdir(parents=True)
    chance = rng(3)
    for number, speaker in enumerate(("ann", "bob", "cat", "dan", "eve", "fox")):
        for word, tones in WORDS.items():
            for index in range(5):
                count = int(chance.integers(1200, 2000))
                pitch = (1 + 0.01 * number) * (1 + 0.01 * chance.standard_normal())
                samples = np.concatenate([tone(freq_hz * pitch, count) for freq_hz in tones])
                write_wav(
                    folder / f"{word}_{speaker}_{index}.wav",
                    samples + 0.004 * chance.standard_normal(2 * count),
                )


def commands(top, *words):
    """The commands that run.sh calls, in their order, without running them: to start each anew would take a
    minute.
    """
    stubs = top / "stubs"
    stubs.mkdir(exist_ok=True)
    for name in ("asrkit", "python3", "cp"):
        (stubs / name).write_text(
            f'#!/bin/sh\n{{ printf {name}; printf "\\t%s" "$@"; echo; }} >> "{top}/commands"\n'
        )
        (stubs / name).chmod(0o755)
    (top / "commands").write_text("")
    environment = {**os.environ, "PATH": f"{stubs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [top / "egs/speechocean762/run.sh", *words],
        cwd=top,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, [line.split("\t") for line in (top / "commands").read_text().splitlines()]


def in_process(corrupted, *words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["corrupted.py", *map(str, words)])
    return corrupted.main()


@pytest.mark.skipif(shutil.which("bash") is None, reason="the recipe needs bash")
def test_stage_alone(tmp_path, corrupted, monkeypatch, capsys):
    write_words(tmp_path / "fsdd/recordings")
    shutil.copytree(TOP / "egs", tmp_path / "egs", ignore=shutil.ignore_patterns("data", "exp"))
    recipe = tmp_path / "egs/speechocean762"
    refused, none = commands(tmp_path, "--stage", "5")
    assert refused.returncode == 2 and "--fsdd-dir" in refused.stderr and not none
    (recipe / "exp").mkdir()
    left_out, some = commands(tmp_path, "--stage", "4")
    assert (
        left_out.returncode == 0
        and "left out" in left_out.stderr
        and not any("fsdd" in word for words in some for word in words)
    )
    assert commands(tmp_path, "--stage", "5", "--fsdd-dir", "nowhere")[0].returncode == 1
    done, wanted = commands(tmp_path, "--stage", "5", "--fsdd-dir", "fsdd", "--nj", "1")
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(recipe)
    # drawing takes most of the time
    monkeypatch.setattr(plots_pronunciation, "plot_evaluation", lambda *_: None)
    for program, *words in wanted:
        if program == "asrkit":
            asrkit(*words)
        elif program == "cp":
            shutil.copy(*words)
        else:
            capsys.readouterr()
            assert (
                words[0] == "local/corrupted.py"
                and in_process(corrupted, *words[1:], monkeypatch=monkeypatch) == 0
            )
    data, exp = recipe / "data/corrupted", recipe / "exp/corrupted"
    assert set(read_data_dir(data / "train").utt2spk.values()) == {"ann", "bob", "cat", "dan"}
    table = (exp / "table.txt").read_text()
    assert capsys.readouterr().out == table and (exp / "corrupted.png").read_bytes().startswith(b"\x89PNG")
    for kind in ("noise", "warp", "smear"):
        part = read_data_dir(data / kind)
        assert set(part.utt2spk.values()) == {"eve", "fox"} and len(part.utts) == 2 * 2 * 5 * 5
        original = read_table(data / kind / "utt2uniq")
        untouched, _ = read_audio(part.wav[f"eve-0-3-{kind}0"], base=part.path)
        assert (
            np.array_equal(untouched, read_audio(str(tmp_path / "fsdd/recordings/0_eve_3.wav"))[0])
            and original[f"eve-0-3-{kind}4"] == "eve-0-3"
        )
        assert read_ctm(data / kind / "phones.ctm")["eve-0-3-" + kind + "4"][-1].end_s == pytest.approx(
            len(untouched) / RATE, abs=1e-4
        )
        scores, ratings = (
            read_scores(exp / kind / "score", ("loglik", "posterior")),
            read_ratings(data / kind / "ratings.tsv").by_utt,
        )
        levels = [ratings[utt][int(idx)] for utt, idx in zip(scores.columns["utt"], scores.columns["idx"])]
        assert levels == [float(utt[-1]) for utt in scores.columns["utt"]]
        row = next(line.split() for line in table.splitlines() if line.startswith(kind))
        taus = [float(cell) for cell in row[6:] if "[" not in cell and "]" not in cell]
        assert taus[:2] == pytest.approx(
            [kendalltau(scores.columns[name], levels).statistic for name in ("loglik", "posterior")], abs=6e-4
        )
        first, last = (float(row[place]) for place in (1, 5))
        assert (
            first == pytest.approx(scores.columns["loglik"][np.array(levels) == 0].mean(), abs=0.006)
            and last < first
            and taus[0] < -0.3
        )
        low, high = (float(cell.strip("[],")) for cell in row[7:9])
        assert low < taus[0] < high
    monkeypatch.setattr(plots_pronunciation, "plot_levels", lambda *_: None)
    args = (data, exp, "--most")
    assert in_process(corrupted, "table", *args, "noise=-0.2,warp=-0.2", monkeypatch=monkeypatch) == 0
    assert in_process(corrupted, "table", *args, "noise=-0.2,warp=-0.99", monkeypatch=monkeypatch) == 1
    assert "warp: tau" in capsys.readouterr().err
    assert (
        in_process(
            corrupted,
            "make",
            recipe / "data/fsdd",
            data,
            "--test-speakers",
            "eve,nobody",
            monkeypatch=monkeypatch,
        )
        == 1
    )
    assert "nobody" in capsys.readouterr().err


@pytest.mark.skipif(not FSDD.is_dir(), reason="needs the Free Spoken Digit Dataset beside the project")
def test_speech_keeps_its_length_and_place(corrupted):
    for name in ("7_theo_0.wav", "3_yweweler_11.wav"):
        samples, rate = read_audio(str(FSDD / name))
        for kind in ("noise", "warp", "smear"):
            out = corrupted.corrupt(kind, 4, samples, rate, rng())
            assert len(out) == len(samples) and 0.01 < np.abs(out).max() < 1
