"""The recipe of pronunciation scores, on invented corpora of both layouts."""

import gzip
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import asrkit
from speechlike import RATE_HZ, say

from asrkit.features.kinds.mfcc import MfccConfig, compute_mfcc
from asrkit.io.alignment import read_alignment
from asrkit.io.archive import read_scp, write_archive
from asrkit.io.audio import read_audio
from asrkit.io.files import read_table, write_table

TOP = Path(__file__).resolve().parents[2]
CORPUS = TOP.parent / "shared" / "data" / "speechocean762"
PHONES = {"AA": 0.0, "IY": 4.0, "S": -4.0}
FRAMES = 8  # a phone


def write_corpus(folder):
    """Phones of three kinds; of one speaker in five half, of the others a few are three times as rough as
    they should be, and rated 0.
    """
    rng, ctm, ratings = np.random.default_rng(5), [], []
    for part in ("train", "test"):
        feats, text, utt2spk = {}, {}, {}
        for number in range(20):
            utt, names = f"{part}{number:02d}", rng.choice(list(PHONES), 30)
            good = rng.random(30) > (0.5 if number % 5 == 0 else 0.05)
            rough = np.repeat(np.where(good, 1.0, 3.0), FRAMES)[:, None] * rng.standard_normal(
                (30 * FRAMES, 13)
            )
            feats[utt] = (np.repeat([PHONES[name] for name in names], FRAMES)[:, None] + rough).astype(
                np.float32
            )
            text[utt], utt2spk[utt] = "WORDS", f"{part}-{number % 5}"
            ctm += [
                f"{utt} 1 {0.01 * FRAMES * i:.2f} {0.01 * FRAMES:.2f} {name}\n"
                for i, name in enumerate(names)
            ]
            ratings.append(
                f"{utt}\t{' '.join(names)}\t{' '.join('2.0' if right else '0.0' for right in good)}\n"
            )
        write_archive(folder / part / "feats.ark", folder / part / "feats.scp", feats.items())
        write_table(
            folder / part / "feats.scp",
            {utt: spec.rpartition("/")[2] for utt, spec in _table(folder / part / "feats.scp").items()},
        )
        write_table(folder / part / "text", text)
        write_table(folder / part / "utt2spk", utt2spk)
    with gzip.open(folder / "phones.ctm.gz", "wt") as stream:
        stream.writelines(ctm)
    (folder / "phone_scores.tsv").write_text("".join(ratings))


def _table(path):
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


@pytest.mark.skipif(shutil.which("bash") is None, reason="the recipe needs bash")
def test_recipe_finds_what_was_said_badly(tmp_path):
    write_corpus(tmp_path / "corpus")
    shutil.copytree(TOP / "egs", tmp_path / "egs", ignore=shutil.ignore_patterns("data", "exp"))
    recipe = tmp_path / "egs/speechocean762"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(*words):
        return subprocess.run(
            [recipe / "run.sh", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
        )

    done = run("--corpus-dir", "corpus", "--nj", "1")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    table = (recipe / "exp/table.txt").read_text()
    assert done.stdout.endswith(table)
    rows = {tuple(line.split()[:2]): float(line.split()[2]) for line in table.splitlines()[1:16]}
    rows_of_recipe = rows
    assert len(rows) == 15 and all(
        rows[f"score_{name}", "loglik"] > 0.4 for name in ("full32", "full1", "diag32", "placed32")
    )
    assert rows["score_lda8", "loglik"] > 0.15 and "(of speakers rated below 1.8)" in done.stdout
    assert (recipe / "exp/evaluation/evaluation.png").read_bytes().startswith(b"\x89PNG")
    again = run("--stage", "4")
    assert again.returncode == 0 and again.stdout == done.stdout[done.stdout.index("system") :]
    words = [recipe / "local/settings.sh", "data", "exp", "1", "mean32"]
    chosen = subprocess.run(words, cwd=recipe, env=environment, capture_output=True, text=True, timeout=280)
    assert chosen.returncode == 0, chosen.stdout[-2000:] + chosen.stderr[-2000:]
    rows = (recipe / "exp/settings/table.txt").read_text().splitlines()
    # each training phone, once
    assert rows[1].split()[:2] == ["mean32", "posterior"] and f" {20 * 30} " in rows[1]
    for few, status in ((words[:3], 2), ([words[0], "nowhere", "exp", "1"], 1)):
        assert (
            subprocess.run(few, cwd=recipe, env=environment, capture_output=True, timeout=280).returncode
            == status
        )
    words = [recipe / "local/seeds.sh", "data", "exp", "1", "2", "full1"]
    spread = subprocess.run(words, cwd=recipe, env=environment, capture_output=True, text=True, timeout=280)
    assert spread.returncode == 0, spread.stdout[-2000:] + spread.stderr[-2000:]
    # one Gaussian a phone: nothing is drawn, so that all seeds give what the table has
    tau = rows_of_recipe["score_full1", "loglik"]
    assert spread.stdout.splitlines()[0] == f"full1 loglik phones {tau:.3f} {tau:.3f} {tau:.3f}"
    assert len(spread.stdout.splitlines()) == 4
    for few, status in ((words[:3], 2), ([*words[:5], "full99"], 2), ([words[0], "nowhere", *words[2:]], 1)):
        found = subprocess.run(few, cwd=recipe, env=environment, capture_output=True, timeout=280)
        assert found.returncode == status
    assert run("--stage", "0").returncode == 2 and run("--corpus-dir", str(TOP / "tests")).returncode == 1


SOUNDS = (("-", 0.2), ("AA", 0.15), ("S", 0.15), ("AA", 0.15), ("SH", 0.15), ("IY", 0.15), ("-", 0.2))


def write_published(folder, takes=4):
    """The corpus as published: two speakers a part say AASAA SHE; phones as a list and as text, for both were
    published.
    """
    scores = {}
    for part in ("train", "test"):
        rows = {"wav.scp": "", "text": "", "utt2spk": "", "spk2gender": ""}
        for speaker in ("0001", "0002") if part == "train" else ("0003", "0004"):
            rows["spk2gender"] += f"{speaker}\tf\n"
            for take in range(takes):
                utt, seed = f"{speaker[1:]}{take:02d}", 10 * int(speaker) + take
                path = folder / f"WAVE/SPEAKER{speaker}/{utt}.WAV"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, say(SOUNDS, np.random.default_rng(seed)), RATE_HZ, format="WAV")
                rows["wav.scp"] += f"{utt}\tWAVE/SPEAKER{speaker}/{utt}.WAV\n"
                rows["text"] += f"{utt}\tAASAA SHE\n"
                rows["utt2spk"] += f"{utt}\t{speaker}\n"
                phones = (["AA1", "S", "AA0"], ["SH", "IY0"])
                words = [{"text": "AASAA", "phones": phones[0], "phones-accuracy": [2.0, 1.8, 2]}]
                words += [
                    {
                        "text": "SHE",
                        "phones": phones[1],
                        "phones-accuracy": [2.0, 0.2 * take],
                        "mispronunciations": [],
                    }
                ]
                if take % 2:
                    words = [{**word, "phones": " ".join(word["phones"])} for word in words]
                scores[utt] = {"text": "AASAA SHE", "accuracy": 9, "words": words}
        for name, text in rows.items():
            (folder / part).mkdir(exist_ok=True)
            (folder / part / name).write_text(text)
    (folder / "resource").mkdir()
    (folder / "resource/scores.json").write_text(json.dumps(scores))
    return scores


@pytest.fixture
def prepare(monkeypatch, capsys):
    """A function that runs local/prepare_data.py in this process; it returns (stdout, stderr)."""
    spec = importlib.util.spec_from_file_location(
        "prepare_data", TOP / "egs/speechocean762/local/prepare_data.py"
    )
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec.loader.exec_module(script)

    def run(corpus, data, status=0):
        monkeypatch.setattr(sys, "argv", ["prepare_data.py", str(corpus), str(data)])
        assert script.main() == status
        return capsys.readouterr()

    return run


def test_what_does_not_fit_in_the_published_corpus_is_named(tmp_path, prepare):
    scores, data = write_published(tmp_path), tmp_path / "data"
    assert prepare(tmp_path, data).err == ""
    assert (data / "train/text").read_text().startswith("00100 AASAA SHE\n")
    assert (
        (data / "train/pronunciations")
        .read_text()
        .startswith("00100\tAA S AA | SH IY\n00101\tAA S AA | SH IY\n")
    )
    assert (
        (data / "ratings.tsv")
        .read_text()
        .startswith("00100\tAA S AA SH IY\t2.0 1.8 2.0 2.0 0.0\n00101\tAA S AA SH IY\t2.0 1.8 2.0 2.0 0.2\n")
    )
    assert (data / "test/spk2gender").read_text() == "0003 f\n0004 f\n"
    asrkit("validate-data", data / "train", "--no-feats", "--sentences")
    scores["00100"]["words"][1]["phones-accuracy"].pop()
    scores["00101"]["words"][0]["phones-accuracy"][0] = None
    scores["00102"]["words"][1]["text"] = "SEA"
    scores["00103"]["words"] = []
    del scores["00200"], scores["00201"]["words"][0]["phones"]
    (tmp_path / "WAVE/SPEAKER0002/00202.WAV").unlink()
    (tmp_path / "resource/scores.json").write_text(json.dumps(scores))
    done = prepare(tmp_path, data)
    for utt, reason in (
        ("00100 left out", "'SHE' has 2 phones and 1 ratings"), ("00101 left out", "float"), ("00103 left out", "no words in"),
        ("00200 left out", "not in resource/scores.json"), ("00201 left out", "KeyError: 'phones'"),
        ("00202 left out", "no recording WAVE/SPEAKER0002/00202.WAV"), ("00102", "'AASAA SHE' in text, 'AASAA SEA' in resource"),
    ):  # fmt: skip
        assert any(f"train: {utt}: " in line and reason in line for line in done.err.splitlines()), utt
    assert (
        "2 utterances by 2 speakers" in done.out
        and "6 left out (00100, 00101, 00103, 00200, 00201, 00202)" in done.out
    )
    assert [line.split()[0] for line in (data / "ratings.tsv").read_text().splitlines()][:3] == [
        "00102",
        "00203",
        "00300",
    ]
    for broken in ("[]", "{", '{"x": 1}'):
        (tmp_path / "resource/scores.json").write_text(broken)
        assert prepare(tmp_path, data, status=1).err.count("error: ") == 1
    shutil.rmtree(tmp_path / "resource")
    assert "neither resource/scores.json" in prepare(tmp_path, data, status=1).err


@pytest.mark.skipif(
    importlib.util.find_spec("pocketsphinx") is None or shutil.which("bash") is None,
    reason="needs pocketsphinx and bash",
)
def test_recipe_runs_from_the_published_corpus(tmp_path):
    write_published(tmp_path / "corpus")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    words = [
        "--corpus-dir",
        tmp_path / "corpus",
        "--stop-stage",
        "1",
        "--nj",
        "1",
        "--data",
        tmp_path / "data",
        "--exp",
        tmp_path / "exp",
    ]
    done = subprocess.run(
        [TOP / "egs/speechocean762/run.sh", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.count("aligned 8, skipped 0") == 2 and done.stdout.count("computed 8, skipped 0") == 2
    train, test, exp = tmp_path / "data/train", tmp_path / "data/test", tmp_path / "exp"
    assert (
        "--use-energy=false\n" in (train / "frontend.conf").read_text()
        and (train / "frame_shift").read_text() == "0.01\n"
    )
    phones = read_alignment(train / "ali")["00100"]
    assert [(phone.label, phone.word) for phone in phones] == [
        ("AA", "AASAA"),
        ("S", "AASAA"),
        ("AA", "AASAA"),
        ("SH", "SHE"),
        ("IY", "SHE"),
    ]
    assert abs(phones[1].start_s - 0.35) < 0.05 and abs(phones[-1].end_s - 0.95) < 0.05
    ratings = ["--ratings", tmp_path / "data/ratings.tsv", "--min-rating", "1.8"]
    asrkit(
        "mixgop",
        "train",
        train,
        train / "ali",
        exp,
        *ratings,
        "--cmvn=utterance",
        "--pooling=mean",
        "--num-gauss=1",
        "--min-tokens=2",
    )
    asrkit("mixgop", "score", exp, test, test / "ali", exp / "score")
    assert (exp / "score/phones.tsv").read_text().count("\n") == 41


@pytest.mark.skipif(not (CORPUS / "flac").exists(), reason="needs recordings of speechocean762")
def test_features_of_both_layouts_are_of_one_kind():
    """What stage 1 computes is what the prepared copy holds, but for the copy's compression (its cepstra have
    a deviation of 13 to 17).
    """
    copy = read_table(CORPUS / "train/feats.scp")
    recordings = sorted((CORPUS / "flac").glob("*.flac"))[::60]
    for path, (_, feats) in zip(
        recordings,
        read_scp({path.stem: copy[path.stem] for path in recordings}, base=CORPUS / "train"),
        strict=True,
    ):
        ours = compute_mfcc(read_audio(str(path))[0], MfccConfig(use_energy=False))
        assert ours.shape == feats.shape and np.abs(ours - feats).mean() < 0.15
