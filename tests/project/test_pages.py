"""Every block of bash and Python that README.md and the pages of docs show is run here, as written; what is not stands in a list."""

import contextlib
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import asrkit
from pages import TOP, blocks, commands, pages
from synthetic import RATE_HZ, word_samples, write_words

ARRAYS = "a cluster: tests/project/test_arrays.py runs the scripts"
FAR = "a bucket: tests/workflows/test_far_away.py"
# Commands that are not run here, and why.
NOT_RUN = {
    "pip install -e . && egs/digits/run.sh": "pip, and the network: tests/project/test_recipe.py runs the recipe",
    "pip install -e '.[test]' && python -m pytest": "pip: .ci/run runs it",
    "pip install -e '.[docs]' && make -C docs html": "pip: .ci/run runs it",
    "pip install -e '.[test,dev]'": "pip: .ci/run runs both",
    "pip install -e .": "pip: .ci/run runs it",
    "tools/check.py": "minutes: .ci/run runs it",
    "python -m pytest": "these tests",
    "python -m pytest -n0 tests/words": "a part of these tests",
    "OPENBLAS_CORETYPE=Haswell python -m pytest -m bytes": "a part of these tests: .ci/run runs it",
    "egs/digits/run.sh": "the network: tests/project/test_recipe.py runs the recipe",
    "egs/digits/run.sh --stage 3 --stop-stage 5 --nj 2": "what the line above it leaves",
    "egs/cross/run.sh --corpora fsdd=DIR,tidigits=DIR": "two corpora: tests/project/test_cross.py",
    "egs/speechocean762/run.sh --corpus-dir DIR": "a corpus: tests/project/test_speechocean.py",
    "tools/mutate.py --count 100000 --seed 0": "hours: tests/project/test_mutate.py",
    "tools/mutate.py --reader model --seed 0 --first 4711 --count 1 --keep DIR": "a folder of one's own: the same",
    "egs/cluster/features.sh --scheduler slurm --data data/train --parts 100 -- --config conf/mfcc.conf": ARRAYS,
    "egs/cluster/train.sh    --scheduler slurm --data data/train --exp exp/chmm --parts 100 --iters 20 -- "
    "--family chmm": ARRAYS,
    "egs/cluster/decode.sh   --scheduler slurm --data data/test --exp exp/chmm --out exp/chmm/decode "
    "--parts 20": ARRAYS,
    "asrkit score data/test exp/chmm/decode": ARRAYS,
    "pip install -e '.[remote]' s3fs": FAR,
    "asrkit prepare-wavs s3://speech/wavs s3://speech/data/train": FAR,
    "asrkit compute-mfcc s3://speech/data/train --nj 8": FAR,
    "asrkit train s3://speech/data/train s3://speech/exp/chmm --family chmm": FAR,
    "asrkit decode s3://speech/exp/chmm s3://speech/data/test s3://speech/exp/chmm/decode": FAR,
    "asrkit score s3://speech/data/test s3://speech/exp/chmm/decode": FAR,
    "python docs/lessons/plot_01_kmeans.py": "tests/lessons runs all of them",
}
# Pages whose commands need a place of their own are run by test_NAME_docs.py, which names the page.
ELSEWHERE = {
    f"docs/{name}": path.stem
    for path in sorted(Path(__file__).parent.glob("test_*docs.py"))
    for name in re.findall(r'"(\w+\.md)"', path.read_text(encoding="utf-8"))
}
# What the blocks of a page must print.
PRINTED = {
    "README.md": [
        r"^right: \d+ of 12 words .*\nconfused: .*\nrecord next: ",
        r"^new.wav right -?\d+\.\d+ \d+\.\d+$",
        r"^right \d\.\d+ \d+",
    ],
    "docs/guide/listening.md": ['(?:^.*"start": .*\n){3}' * 2],
    # Three that stages 6 to 8 score, three that grep finds.
    "docs/guide/recipes.md": [
        "(?:%WER(?s:.*)){6}",
        "egs/digits/exp/chmm/decode_test/wer_1:%WER",
    ],
    "docs/guide/python.md": [r"^right \d\.\d+"],
    "docs/start/researcher.md": [r"^\d+ \d+\.\d+ \("],
    "docs/start/maker.md": [r"^new.wav right "],
}
NAMES = {name: page for page in pages() if (name := page.relative_to(TOP).as_posix()) not in ELSEWHERE}
SHOWN = [name for name, page in NAMES.items() if blocks(page) or blocks(page, "python")]


# What makes the place in which all blocks are run: pages that show it, too, need not wait for it again.
BUILD = blocks(TOP / "README.md")[2].splitlines()[0]


def command_of(line):
    """A line without the remark at its end."""
    return re.sub(r"\s+#.*", "", line)


def runs(line):
    return command_of(line) not in {BUILD, *NOT_RUN} and not ("| jq " in line and shutil.which("jq") is None)


def run(words, folder):
    """Run a program in a folder, with this Python's commands first: what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert done.returncode == 0, f"{words[-1]}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def make_world(folder):
    """The folder in which a reader stands: his recordings, the recipes, and what `asrkit build` has made."""
    shutil.copytree(TOP / "egs", folder / "egs", ignore=shutil.ignore_patterns("data", "exp"))
    names = {"one": "left", "three": "right"}
    for word, name in names.items():
        write_words(
            folder, "my-words/" + name + "/{speaker}_{take}.wav", words=(word,), takes=range(3), pad_s=0.3
        )
    new = {"new": ("three", 9, 0.5), "up1": ("two", 1, 0.3), "up2": ("two", 2, 0.3), "up3": ("two", 3, 0.3)}
    for name, (word, seed, pad_s) in new.items():
        samples = word_samples(word, np.random.default_rng(seed), pad_s=pad_s)
        soundfile.write(folder / f"{name}.wav", samples, RATE_HZ)
    evening = [word_samples(word, np.random.default_rng(8), pad_s=0.4) for word in ("one", "three", "one")]
    soundfile.write(folder / "evening.wav", np.concatenate(evening), RATE_HZ)
    (folder / "built.txt").write_text(run(["bash", "-c", BUILD], folder), encoding="utf-8")
    for part in ("train", "test"):  # as the recipe leaves them
        shutil.copytree(folder / "exp/mine/data", folder / "egs/digits/data" / part)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """That folder, made once for all processes of this run."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    whole = place / "world"
    with contextlib.suppress(FileExistsError):
        (place / "world-begun").mkdir()
        make_world(whole)
        (place / "world-ready").touch()
    for _ in range(2800):
        if (place / "world-ready").exists():
            return whole
        time.sleep(0.1)
    raise TimeoutError("the process that makes the world has failed")


def settle(world, here):
    """A world of one's own. Data directories name their files by whole paths."""
    shutil.copytree(world, here)
    for table in here.rglob("*.scp"):
        table.write_text(table.read_text(encoding="utf-8").replace(str(world), str(here)), encoding="utf-8")


def run_block(block, folder, capsys):
    """Run a block of bash: what it prints. Plain commands of asrkit are run in this process, which is quicker."""
    if re.search(r"^(?!asrkit )|[|*$;&<>]", block, re.MULTILINE):
        return run(["bash", "-e", "-o", "pipefail", "-c", block], folder)
    for line in block.splitlines():
        asrkit(*shlex.split(line, comments=True)[1:])
    return capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="the commands of the pages need bash")
@pytest.mark.parametrize("name", SHOWN)
def test_blocks_run_as_written(name, world, tmp_path, monkeypatch, capsys):
    page, here = NAMES[name], tmp_path / "here"
    kept = ["\n".join(filter(runs, block.splitlines())) for block in blocks(page)]
    kept = [block for block in kept if block]
    python = "\n".join(blocks(page, "python"))
    if not kept and not python:
        return
    settle(world, here)
    monkeypatch.chdir(here)
    shown = [Path("built.txt").read_text(encoding="utf-8")]
    shown += [run_block(block, here, capsys) for block in kept]
    if python:
        for word in ("left", "right"):  # two recordings have the short names that pages show
            for number, path in enumerate(sorted((here / "my-words" / word).glob("*_*.wav"))[:2], 1):
                shutil.copy(path, path.with_name(f"{number}.wav"))
        shown.append(run([sys.executable, "-c", python], here))
    for pattern in PRINTED.get(name, ()):
        assert re.search(pattern, "".join(shown), re.MULTILINE), (pattern, shown)


def test_what_is_not_run_is_shown():
    lines = {
        command_of(line) for page in NAMES.values() for block in blocks(page) for line in block.splitlines()
    }
    assert not NOT_RUN.keys() - lines


@pytest.mark.parametrize("name", ELSEWHERE)
def test_pages_that_are_run_elsewhere(name):
    assert importlib.import_module(ELSEWHERE[name]).COMMANDS == commands(TOP / name)
    assert not blocks(TOP / name, "python")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(TOP).as_posix())
def test_pages_are_whole(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"@[A-Z]+@|TODO|XXX", text)
    # Every other fence would escape the tests above.
    fences = re.findall(r"^ *```(.*)$", text, re.MULTILINE)
    assert set(fences) <= {"", "bash", "python", "{toctree}", "{eval-rst}"}, page
    for target in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        assert (page.parent / target).exists(), target


def test_the_readme_is_short_and_opens_with_the_two_commands():
    readme = TOP / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 120
    assert blocks(readme)[:2] == [
        "pip install -e . && egs/digits/run.sh\n",
        "pip install -e '.[test]' && python -m pytest\n",
    ]


def test_every_command_is_in_the_table():
    from asrkit.cli.main import GROUPS, all_commands

    text = (TOP / "docs/commands/index.md").read_text(encoding="utf-8")
    known = [name for name in all_commands() if name not in GROUPS]
    known += [f"{group} {name}" for group, names in GROUPS.items() for name in names]
    assert not [name for name in known if not re.search(rf"`{name}[` ]", text)]
