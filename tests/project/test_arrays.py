"""The job arrays of egs/cluster, with sbatch and qsub replaced by shells that run every task at once, here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import MFCC, asrkit
from synthetic import write_words

from asrkit.io.archive import read_scp
from asrkit.io.files import read_table

TOP = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="they need bash")

# What both do: run the script once, or once a task, its log and status kept by the job's number.
RUN = """
cd "$FAKE"
job=$(($(cat last 2> /dev/null || echo 0) + 1)); echo $job > last
cd "$OLDPWD"
status=0
for task in ${tasks:-0}; do
  export $variable=$task
  [ -n "$tasks" ] || unset $variable
  file=${log//%a/$task}; file=${file//\\$TASK_ID/$task}
  if [ -n "$held" ]; then echo "held back" >> "$file"; status=1; else bash "$script" "${@:2}" >> "$file" 2>&1 || status=1; fi
done
echo $status > "$FAKE/$job"
"""
NUMBERS = 'numbers() { echo "$1" | tr , "\\n" | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done | tr "\\n" " "; }\n'
SBATCH = (
    """#!/bin/bash
echo "sbatch $*" >> "$FAKE/said"
tasks="" held="" variable=SLURM_ARRAY_TASK_ID
"""
    + NUMBERS
    + """
while [ $# -gt 1 ]; do
  case "$1" in
    --parsable | --requeue) shift; continue ;;
    --array) tasks=$(numbers "${2%\\%*}") ;;
    --output) log=$2 ;;
    --dependency) [ "$(cat "$FAKE/${2#afterok:}")" = 0 ] || held=1 ;;
    --job-name | --open-mode | --kill-on-invalid-dep | --mem) ;;
    *) echo "sbatch: unrecognized option '$1'" >&2; exit 1 ;;
  esac
  shift 2
done
script=$1
"""
    + RUN
    + 'echo "$job;here"\n'
)
QSUB = (
    """#!/bin/bash
echo "qsub $*" >> "$FAKE/said"
tasks="" held="" variable=SGE_TASK_ID
"""
    + NUMBERS
    + """
while [ $# -gt 1 ]; do
  case "$1" in
    -terse | -V | -cwd) shift; continue ;;
    -t) tasks=$(numbers "$2") ;;
    -o) log=$2 ;;
    -hold_jid) [ -f "$FAKE/$2" ] || exit 1 ;;
    -r | -S | -j | -N | -tc) ;;
    *) echo "qsub: Unknown option $1" >&2; exit 1 ;;
  esac
  shift 2
done
script=$1
"""
    + RUN
    + 'if [ -n "$tasks" ]; then echo "$job.1-2:1"; else echo $job; fi\n'
)
# asrkit as it is, but where its command line has what BREAK names; or, where STUB is set, a note of what was called.
ASRKIT = """#!/bin/bash
echo "asrkit $*" >> "$FAKE/called"
case "$*" in *${BREAK:-nothing at all}*) echo "killed"; exit 137 ;; esac
[ -n "$STUB" ] || exec "$PYTHON" -m asrkit "$@"
"""


@pytest.fixture
def cluster(tmp_path):
    """A function that runs a script of egs/cluster: (status, what it said, asrkit's command lines, submissions)."""
    (tmp_path / "bin").mkdir()
    for name, text in {"sbatch": SBATCH, "qsub": QSUB, "asrkit": ASRKIT}.items():
        (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    fake = tmp_path / "fake"
    fake.mkdir()

    def run(script, *words, **env):
        for name in ("called", "said"):
            (fake / name).write_text("")
        done = subprocess.run(
            [TOP / "egs/cluster" / script, *map(str, words)],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(TOP),
                "PYTHON": sys.executable,
                "FAKE": str(fake),
                "STUB": "",
                **env,
            },
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        notes = [(fake / name).read_text(encoding="utf-8").splitlines() for name in ("called", "said")]
        return done.returncode, done.stdout + done.stderr, *notes

    return run


def test_a_recipe_on_slurm_gives_what_one_process_does(cluster, tmp_path):
    data, exp = tmp_path / "data", tmp_path / "exp"
    gmm = ["--family=gmm", "--num-gauss=1", "--max-iters=1", "--calibrate=false"]
    write_words(tmp_path / "wavs", "{speaker}/{word}-{take}.wav", words=("one", "two"), takes=range(3))
    for name in ("one", "parts"):
        asrkit("prepare-wavs", tmp_path / "wavs", data / name, "--pattern={speaker}/{word}-{index}")
    here = ["--scheduler=slurm", "--parts=2", "--data=data/parts"]
    asrkit("compute-mfcc", data / "one", *MFCC)
    status, said, *_ = cluster("features.sh", *here, "--", *MFCC)
    assert status == 0, said
    found, expected = (dict(read_scp(read_table(data / name / "feats.scp"))) for name in ("parts", "one"))
    assert found.keys() == expected.keys() and all(np.array_equal(found[utt], expected[utt]) for utt in found)
    for name in ("utt2num_frames", "utt2dur", "frontend.conf", "frame_shift", "wav.scp"):
        assert (data / "parts" / name).read_bytes() == (data / "one" / name).read_bytes()

    status, said, *_ = cluster("train.sh", *here, "--exp=exp/parts", "--iters=1", "--", *gmm)
    assert status == 0 and (exp / "parts/final.npz").exists(), said
    asrkit("train", data / "one", exp / "one", *gmm)
    assert (exp / "parts/final.npz").read_bytes() == (exp / "one/final.npz").read_bytes()

    status, said, *_ = cluster("decode.sh", *here, "--exp=exp/parts", "--out=exp/parts/decode")
    assert status == 0, said
    asrkit("decode", exp / "one", data / "one", exp / "one/decode")
    for name in ("hyp", "words.txt", "confidence"):
        assert (exp / "parts/decode" / name).read_bytes() == (exp / "one/decode" / name).read_bytes()
    asrkit("score", data / "one", exp / "parts/decode")


def made(cluster, tmp_path, scheduler, *words, **env):
    """train.sh with an asrkit that does nothing: status, what was said, what was called, what was submitted."""
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data/feats.scp").write_text("a b\n")
    options = [f"--scheduler={scheduler}", "--data=data", "--exp=exp", "--parts=3", "--iters=2", *words]
    return cluster("train.sh", *options, STUB="1", **env)


def acc_stats(iteration, part):
    files = f"exp/{iteration}.npz data exp/{iteration}.{part}.acc"
    return f"asrkit acc-stats {files} --part {part} --parts 3 --method viterbi"


@pytest.mark.parametrize("scheduler", ["slurm", "sge"])
def test_jobs_of_a_training(cluster, tmp_path, scheduler):
    status, said, called, submitted = made(
        cluster, tmp_path, scheduler, "--grow=0", "--at-once=2", "--", "--family", "chmm", "--cmvn", "a b"
    )
    assert status == 0 and "exp/final.npz when they have ended" in said
    assert called[0] == "asrkit init-model data exp --family chmm --cmvn a b"
    accs = [[acc_stats(i, n) for n in (1, 2, 3)] for i in range(3)]
    ests = [
        [
            f"asrkit sum-accs exp/{i}.acc exp/{i}.1.acc exp/{i}.2.acc exp/{i}.3.acc",
            f"asrkit est-model exp/{i}.npz exp/{i}.acc exp/{to}",
        ]
        for i, to in enumerate(("1.npz --grow true", "2.npz", "final.npz --finish true"))
    ]
    assert called[1:] == [line for acc, est in zip(accs, ests) for line in (*acc, *est)]
    assert len(submitted) == 7
    second = submitted[1]
    if scheduler == "slurm":
        assert (
            "--array 1-3%2" in second and "--dependency afterok:1" in second and "/log/acc.0.%a.log" in second
        )
    else:
        assert "-t 1-3 -tc 2" in second and "-hold_jid 1" in second and "/log/acc.0.$TASK_ID.log" in second
    assert "acc-stats exp/0.npz data exp/0.2.acc" in (tmp_path / "exp/.cluster/log/acc.0.2.log").read_text()


@pytest.mark.parametrize("scheduler", ["slurm", "sge"])
def test_what_was_done_is_not_done_again(cluster, tmp_path, scheduler):
    status, said, called, submitted = made(cluster, tmp_path, scheduler, BREAK="exp/1.2.acc --part")
    assert status == 0  # the scheduler has the jobs; that one failed stands in its log
    assert "killed" in (tmp_path / "exp/.cluster/log/acc.1.2.log").read_text()
    assert not any("sum-accs exp/1.acc" in line or "exp/2.npz" in line for line in called)
    told = (tmp_path / "exp/.cluster/log/est.1.log").read_text()
    assert ("held back" if scheduler == "slurm" else "error: acc.1 2 is not done") in told
    status, said, called, submitted = made(cluster, tmp_path, scheduler)
    assert [line for line in called if "acc-stats exp/1.npz" in line or "acc-stats exp/0" in line] == [
        acc_stats(1, 2)
    ]
    assert not any("init-model" in line for line in called) and len(submitted) == 4
    assert ("--array 2 " if scheduler == "slurm" else "-t 2-2 ") in submitted[0] and "acc.1" in submitted[0]
    status, said, called, submitted = made(cluster, tmp_path, scheduler)
    assert status == 0 and "exp/final.npz: all is done" in said and not called and not submitted


def test_a_task_between_others_that_failed_ends_at_once(cluster, tmp_path):
    made(cluster, tmp_path, "sge", BREAK="exp/1.[13].acc --part")
    _, _, called, submitted = made(cluster, tmp_path, "sge")
    assert "-t 1-3 " in submitted[0]
    assert [line for line in called if "acc-stats exp/1.npz" in line] == [acc_stats(1, 1), acc_stats(1, 3)]
    assert "acc.1 2: was done before" in (tmp_path / "exp/.cluster/log/acc.1.2.log").read_text(
        encoding="utf-8"
    )


def test_other_settings_or_data_begin_anew(cluster, tmp_path):
    made(cluster, tmp_path, "slurm")
    assert len(made(cluster, tmp_path, "slurm", "--", "--seed=1")[3]) == 7
    (tmp_path / "data/text").write_text("a b\n")
    assert len(made(cluster, tmp_path, "slurm", "--", "--seed=1")[3]) == 7
    assert not made(cluster, tmp_path, "slurm", "--submit=--mem 2G", "--", "--seed=1")[
        3
    ]  # no matter of results


@pytest.mark.parametrize(
    "words, told",
    [
        (["--scheduler=pbs"], "--scheduler is slurm or sge, not 'pbs'"),
        (["--parts=0"], "--parts is a whole number from 1"),
        (["--family=chmm"], "unknown option --family"),
        (["--data=none"], "none: no such folder"),
        (["--exp=a b"], "has a blank"),
        (["--submit=--nonsense 1"], "step init could not be submitted"),
    ],
)
def test_wrong_usage_is_one_line(cluster, tmp_path, words, told):
    status, said, called, _ = made(cluster, tmp_path, "slurm", *words)
    assert status != 0 and told in said and not called
