#!/usr/bin/env python3
"""Kill commands at random moments and run them again: the outputs must be those of an undisturbed run, and nothing may be left over.

Each kill copies a folder of small invented recordings, starts a command in it, sends SIGKILL, SIGTERM or SIGINT in turn after
a random part of the time that the command takes, runs it again to its end and compares every file, byte for byte but for
times. A line says how it went; those that fell short come again at the end, and the exit status is 1. A kill depends on the
seed and its number alone: `--seed 0 --first 17 --count 1` repeats it, up to the moment that the machine's speed gives.

examples:
  tools/kill.py --count 50
  tools/kill.py --count 12 --only crossval --seed 3
  tools/kill.py --count 20 --only recipe --recordings ~/free-spoken-digit-dataset/recordings
"""

import argparse
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
ENDS_S = 5.0  # by then every process of a killed command must be gone

# What may differ from run to run: times, in the files that tell them, and the checksums of such files; the signatures of runs hold
# the dates of archives.
TIMES = re.compile(
    rb'"(?:seconds|train_s|decode_s|ms_a_word|created|date|started|signature)": [^,}\n]+|\d+(?:\.\d+)? s(?:econds)?\b|\btook [^,\n]+'
    rb'|"(?:[^"]*/)?(?:train|decode|codebook)\.json": \[[^]]*\]|"checksum": "[0-9a-f]*"'
)
TEXTS = {".json", ".jsonl", ""}  # of these suffixes; the last is of logs
UNLIKE = {
    "tune.png",
    "tune.tsv",
    "report.md",
    "table.txt",
}  # their figures are times, too: compared by name alone


@dataclass(frozen=True)
class Case:
    """What is killed.

    Attributes
    ----------
    commands : list of str
        Run one after the other until one is killed; all are run again.
    before : list of str
        What makes their input, undisturbed.
    """

    commands: list[str]
    before: list[str]


PREPARE = "asrkit prepare-wavs wavs data --pattern {word}/{speaker}_{index}"
MFCC = "asrkit compute-mfcc data --sample-frequency 8000 --nj 2"
READY = [PREPARE, MFCC]
TRAINING = "--max-iters 6 --delta-order 1"
PHONES = [PREPARE.replace("wavs data", "wavs all"), "asrkit compute-mfcc phones --nj 2"]

CASES = {
    "recipe": Case(["bash {top}/egs/digits/run.sh --corpus wavs --corpus-dir {work}/wavs --data {work}/d --exp {work}/e"], []),
    "build": Case(["asrkit build wavs exp --pattern {word}/{speaker}_{index} --family gmm --nj 2"], []),
    "prepare-wavs": Case([PREPARE], []),
    "compute-mfcc": Case([MFCC], [PREPARE]),
    "detect-endpoints": Case(["asrkit detect-endpoints data --nj 2 --force"], [PREPARE]),
    "train-gmm": Case([f"asrkit train data exp --family gmm --num-gauss 8 {TRAINING} --nj 2"], READY),
    "train-chmm": Case([f"asrkit train data exp --family chmm --num-gauss 4 {TRAINING} --nj 2"], READY),
    "train-stepwise": Case(
        [f"asrkit train data exp --family gmm --num-gauss 8 --method stepwise --batch-frames 200 {TRAINING} --nj 2"], READY
    ),
    "train-schmm": Case([f"asrkit train data exp --family schmm --num-gauss 16 {TRAINING}"], READY),
    "train-dhmm": Case(
        [
            "asrkit train-codebook data exp --codebook-size 32 --delta-order 1",
            f"asrkit train data exp --family dhmm {TRAINING} --nj 2",
        ],
        READY,
    ),
    "train-dtw": Case(["asrkit train data exp --family dtw --delta-order 1"], READY),
    "decode": Case(
        ["asrkit decode exp data exp/decode --nj 2"], [*READY, f"asrkit train data exp --family chmm {TRAINING}"]
    ),
    "crossval": Case([f"asrkit crossval data exp --family chmm --by random --folds 3 {TRAINING} --nj 2"], READY),
    "tune": Case(
        [f"asrkit tune data exp --family chmm --by random --folds 2 {TRAINING} --minutes 0 --try num-states 3 5 --try num-gauss 1 2"],
        READY,
    ),
    "learning-curve": Case(
        [f"asrkit learning-curve data data exp --family gmm --num-gauss 2 {TRAINING} --counts 1,2,all --draws 2 --nj 2"], READY
    ),
    "perturb": Case(["asrkit perturb data noisy --noise white --snr 20,5 --copies 2 --nj 2"], [PREPARE]),
    "mixgop-train": Case(["asrkit mixgop train phones phones/ali exp {mixgop} --nj 2"], PHONES),
    "mixgop-score": Case(
        ["asrkit mixgop score exp phones phones/ali exp/score --textgrid true --nj 2"],
        [*PHONES, "asrkit mixgop train phones phones/ali exp {mixgop}"],
    ),
}  # fmt: skip
MIXGOP = "--pooling mean --num-gauss 2 --covariance diag --min-tokens 20 --baselines all"


class Finding(Exception):
    """What fell short."""


class Bench:
    """A folder in which commands run.

    Parameters
    ----------
    top : Path
        New.
    recordings : Path, optional
        Of word_speaker_take.wav, as FSDD has them: instead of invented ones.
    """

    def __init__(self, top, recordings=None):
        self.top, self.work = top, top / "work"
        self.inputs, self.expected, self.took_s = {}, {}, {}
        programs = top / "bin"
        programs.mkdir()
        for name, words in {"asrkit": [sys.executable, "-m", "asrkit"], "python3": [sys.executable]}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
            (programs / name).chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(TOP),
            "TMPDIR": str(top / "tmp"),
        }
        (top / "tmp").mkdir()
        self.raw = top / "raw"
        self.raw.mkdir()
        make_words(self.raw / "wavs", recordings)
        make_phones(self.raw / "phones")

    def start(self, commands, log):
        """Start commands one after the other, in a session of their own."""
        places = {"top": TOP, "work": self.work, "mixgop": MIXGOP}
        words = [
            re.sub(r"{(top|work|mixgop)}", lambda match: str(places[match[1]]), command)
            for command in commands
        ]
        if len(words) == 1 and not words[0].startswith("bash"):
            words = [f"exec {sys.executable} -m {words[0]}"]  # the command itself, no shell around it
        return subprocess.Popen(
            ["/bin/sh", "-c", " && ".join(words)],
            cwd=self.work,
            env=self.environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self, commands):
        """Run commands to their end: what they said; a failure is a Finding."""
        with tempfile.TemporaryFile() as log:
            status = self.start(commands, log).wait()
            log.seek(0)
            said = log.read().decode("utf-8", "replace")
        if status:
            raise Finding(f"exit status {status}: {last_line(said)}")
        return said

    def lay_out(self, source):
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(source, self.work)

    def learn(self, name):
        """Run a case undisturbed: its input, its output, its time."""
        self.lay_out(self.raw)
        if CASES[name].before:
            self.run(CASES[name].before)
        self.inputs[name] = self.top / f"{name}.input"
        shutil.copytree(self.work, self.inputs[name])
        started_s = time.monotonic()
        self.run(CASES[name].commands)
        self.took_s[name] = time.monotonic() - started_s
        self.expected[name] = contents(self.work)

    def kill(self, name, number, rng):
        """Kill a case and run it again: a line that says what was done; a Finding where it fell short."""
        if name not in self.expected:
            self.learn(name)
        self.lay_out(self.inputs[name])
        kind = SIGNALS[number % len(SIGNALS)]
        whole = name == "recipe" or len(CASES[name].commands) > 1 or rng.random() < 0.5  # the terminal's way
        after_s = rng.uniform(0, self.took_s[name])
        what = f"{kind} to the {'group' if whole else 'process'} after {after_s:.2f} of {self.took_s[name]:.2f} s"
        with tempfile.TemporaryFile() as log:
            running = self.start(CASES[name].commands, log)
            time.sleep(after_s)
            finished = running.poll() is not None
            if not finished:
                (os.killpg if whole else os.kill)(running.pid, signal.Signals[kind])
            try:
                status = running.wait(timeout=30)
                ended = wait_for_group(running.pid)
            except subprocess.TimeoutExpired:
                status, ended = "none", False
            if not ended:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
            log.seek(0)
            said = log.read().decode("utf-8", "replace")
        if not ended:
            raise Finding(f"{what}: processes were left {ENDS_S:g} s later (status {status})")
        if not finished:
            check_ending(what, kind, status, said)
        try:
            self.run(CASES[name].commands)
        except Finding as found:
            raise Finding(f"{what}: again: {found}") from None
        differences = compare(self.expected[name], contents(self.work))
        if differences:
            raise Finding(f"{what}: {'; '.join(differences[:5])}{' ...' if len(differences) > 5 else ''}")
        left = [path.name for path in (self.top / "tmp").iterdir()]
        if left:
            raise Finding(f"{what}: left in the folder for temporary files: {', '.join(left[:5])}")
        return f"{what}{', finished before' if finished else ''}"


def check_ending(what, kind, status, said):
    """A killed command ends by its signal, in one line, or had just finished."""
    number = signal.Signals[kind]
    if kind == "SIGKILL":
        return
    allowed = (128 + number, -number)
    if status not in allowed:
        raise Finding(f"{what}: exit status {status}, not {128 + number}: {last_line(said)}")
    if "Traceback" in said and "asrkit" in said.partition("Traceback")[2]:
        raise Finding(f"{what}: a traceback: {last_line(said)}")


def last_line(said):
    return (said.strip().splitlines() or ["nothing was said"])[-1]


def wait_for_group(group):
    """Whether all processes of a group end in time."""
    ends_s = time.monotonic() + ENDS_S
    while time.monotonic() < ends_s:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def contents(folder):
    """Dict of every path below a folder to its bytes without times, folders to None.

    Without .backup, where compute-mfcc puts the tables that are there: it has some where it was killed when all was written.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if ".backup" in name.split("/"):
            continue
        found[name] = None if path.is_dir() else told(path)
    return found


def told(path):
    if path.name in UNLIKE:
        return b""
    data = path.read_bytes()
    return TIMES.sub(b"(time)", data) if path.suffix in TEXTS else data


def compare(expected, got):
    """What differs between two `contents`."""
    lines = [f"{name} is missing" for name in sorted(expected.keys() - got.keys())]
    lines += [f"{name} is left over" for name in sorted(got.keys() - expected.keys())]
    lines += [
        f"{name} has other bytes"
        for name in sorted(expected.keys() & got.keys())
        if expected[name] != got[name]
    ]
    return lines


def make_words(folder, recordings):
    """folder/WORD/SPEAKER_TAKE.wav."""
    if recordings is None:
        sys.path.insert(0, str(TOP / "tests"))
        from synthetic import write_words

        write_words(folder, "{word}/{speaker}_{take}.wav", speakers=("anna", "bert", "carl"), takes=range(4))
        return
    found = sorted(recordings.glob("*_*_*.wav"))
    if not found:
        sys.exit(f"kill.py: {recordings}: no recordings called word_speaker_take.wav")
    for path in found:
        word, speaker, take = path.stem.split("_")
        if int(take) < 4:
            (folder / word).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / word / f"{speaker}_{take}.wav")


def make_phones(folder):
    """A data directory of vowels and hisses, with the alignment in ali/phones.ctm."""
    sys.path.insert(0, str(TOP / "tests"))
    import numpy as np
    import soundfile
    from speechlike import RATE_HZ, say

    (folder / "wav").mkdir(parents=True)
    (folder / "ali").mkdir()
    tables = {"wav.scp": [], "utt2spk": [], "ali/phones.ctm": []}
    for number in range(12):
        rng, utt, start = np.random.default_rng(number), f"{'ab'[number // 6]}-{number:02d}", 0.0
        sounds = []
        for label in rng.permutation(["AA", "IY", "UW", "S", "SH"] * 2).tolist():
            seconds = round(float(rng.uniform(0.06, 0.15)), 2)
            tables["ali/phones.ctm"].append(f"{utt} 1 {start:.2f} {seconds:.2f} {label}")
            sounds.append((label, seconds))
            start += seconds
        soundfile.write(folder / "wav" / f"{utt}.wav", say(sounds, rng), RATE_HZ)
        tables["wav.scp"].append(f"{utt} phones/wav/{utt}.wav")
        tables["utt2spk"].append(f"{utt} {utt[0]}")
    for name, lines in tables.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--count", type=int, default=50, help="kills (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="of what is killed when (default: 0)")
    parser.add_argument(
        "--first", type=int, default=0, metavar="N", help="number of the first kill (default: 0)"
    )
    parser.add_argument("--only", choices=CASES, metavar="NAME", help=f"one of {', '.join(CASES)}")
    parser.add_argument(
        "--recordings", type=Path, metavar="DIR", help="word_speaker_take.wav, instead of invented ones"
    )
    args = parser.parse_args(argv)
    if os.name != "posix":
        parser.error("signals and process groups as POSIX has them are needed")
    names, findings = [args.only] if args.only else list(CASES), []
    with tempfile.TemporaryDirectory(prefix="kill.") as top:
        bench = Bench(Path(top), args.recordings)
        for number in range(args.first, args.first + args.count):
            name = names[number % len(names)]
            replay = f"--seed {args.seed} --first {number} --count 1" + (
                f" --only {name}" if args.only else ""
            )
            try:
                line = f"{name}: {bench.kill(name, number, random.Random(f'{args.seed} {number}'))}: ok"
            except Finding as found:
                line = f"{name}: FELL SHORT: {found} ({replay})"
                findings.append(line)
            print(f"{number + 1 - args.first}/{args.count} {line}", flush=True)
    print(f"{args.count - len(findings)} of {args.count} kills left what an undisturbed run leaves")
    print("\n".join(findings), end="\n" if findings else "")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
