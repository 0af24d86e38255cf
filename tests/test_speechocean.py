"""The recipe of pronunciation scores, on an invented corpus."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asrkit.io.archive import write_archive
from asrkit.io.files import write_table

TOP = Path(__file__).resolve().parents[1]
PHONES = {"AA": 0.0, "IY": 4.0, "S": -4.0}
FRAMES = 8  # a phone


def write_corpus(folder):
    """Phones of three kinds; one in five is three times as rough as the others, and rated 0."""
    rng, ctm, ratings = np.random.default_rng(5), [], []
    for part in ("train", "test"):
        feats, text, utt2spk = {}, {}, {}
        for number in range(14):
            utt, names = f"{part}{number:02d}", rng.choice(list(PHONES), 30)
            good = rng.random(30) > 0.2
            rough = np.repeat(np.where(good, 1.0, 3.0), FRAMES)[:, None] * rng.standard_normal((30 * FRAMES, 13))
            feats[utt] = (np.repeat([PHONES[name] for name in names], FRAMES)[:, None] + rough).astype(np.float32)
            text[utt], utt2spk[utt] = "WORDS", f"{part}-{number % 4}"
            ctm += [f"{utt} 1 {0.01 * FRAMES * i:.2f} {0.01 * FRAMES:.2f} {name}\n" for i, name in enumerate(names)]
            ratings.append(f"{utt}\t{' '.join(names)}\t{' '.join('2.0' if right else '0.0' for right in good)}\n")
        write_archive(folder / part / "feats.ark", folder / part / "feats.scp", feats.items())
        write_table(folder / part / "feats.scp", {utt: spec.rpartition("/")[2] for utt, spec in _table(folder / part / "feats.scp").items()})
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
        return subprocess.run([recipe / "run.sh", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)

    done = run("--corpus-dir", "corpus", "--nj", "1")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    table = (recipe / "exp/table.txt").read_text()
    assert done.stdout.endswith(table)
    rows = {tuple(line.split()[:2]): float(line.split()[2]) for line in table.splitlines()[1:10]}
    assert len(rows) == 9 and all(rows[f"score_{name}", "loglik"] > 0.4 for name in ("full32", "full1", "diag32"))
    assert (recipe / "exp/evaluation/evaluation.png").read_bytes().startswith(b"\x89PNG")
    again = run("--stage", "4")
    assert again.returncode == 0 and again.stdout == done.stdout[done.stdout.index("system") :]
    assert run("--stage", "0").returncode == 2 and run("--corpus-dir", str(TOP / "tests")).returncode == 1
