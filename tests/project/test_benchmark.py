"""tools/benchmark.py on a few invented words: that it measures and prints, not how quick anything is."""

import functools
import importlib.util
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
TINY = ["--words", "2", "--utts-per-word", "4", "--repeats", "1"]


def benchmark(*words, hidden=None, folder=None):
    """Run the tool; `hidden` is a package that it shall not find."""
    environment = None
    if hidden:
        (folder / hidden).mkdir()
        (folder / hidden / "__init__.py").write_text("raise ImportError('hidden by a test')\n")
        environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(TOOLS / "benchmark.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def rows_of(output):
    """The cells of every row of results."""
    lines = [line.strip("| \n").split(" | ") for line in output.splitlines() if line.startswith("|")]
    return [cells for cells in lines if len(cells) == 7 and cells[0] not in ("task", "---")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    raw = tmp_path_factory.mktemp("benchmark") / "raw.json"
    done = benchmark(*TINY, "--only", "gmm-em,decode", "--json", str(raw))
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(raw.read_text(encoding="utf-8"))


def test_tables_name_the_machine_and_every_task(run):
    output, _ = run
    for words in (
        "| machine |",
        "| BLAS |",
        "| peers |",
        "| data |",
        "## gmm-em",
        "## decode",
        "ratio to asrkit",
    ):
        assert words in output


def test_ratios_are_numbers_and_asrkit_is_the_measure(run):
    rows = rows_of(run[0])
    timed = [cells for cells in rows if cells[2][0].isdigit()]
    assert timed and all(float(cells[3]) >= 0 and float(cells[4].split()[0]) > 0 for cells in timed)
    for _, task in itertools.groupby(rows, key=lambda cells: cells[0]):
        first = next(task)
        assert not first[1].startswith("asrkit") or float(first[4].split()[0]) == 1


def test_rows_that_are_not_timed_say_why(run):
    reasons = [cells[2] for cells in rows_of(run[0]) if not cells[2][0].isdigit()]
    assert reasons  # Sphinx needs recordings
    assert all(reason.startswith(("skipped: ", "not installed")) for reason in reasons), reasons


def test_floors_and_qualities_stand_in_the_table(run):
    output, _ = run
    assert "floor, float64" in output
    assert "a frame" in output and "wrong" in output


def test_json_has_the_machine_and_every_run(run):
    output, raw = run
    assert "data" in raw["machine"]
    assert len(raw["rows"]) == len(rows_of(output))
    timed = [row for row in raw["rows"] if row["missing"] is None]
    assert all(len(row["seconds"]) == len(row["cpu_s"]) == len(row["ratios"]) == 1 for row in timed)


def test_missing_peer_gives_a_row(tmp_path):
    done = benchmark(*TINY, "--only", "train-chmm-8x1", hidden="hmmlearn", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    reasons = {cells[1]: cells[2] for cells in rows_of(done.stdout)}
    assert reasons["hmmlearn GaussianHMM (scaling)"] == "not installed (pip install -e '.[bench]')"
    assert any(system.startswith("asrkit") and seconds[0].isdigit() for system, seconds in reasons.items())


def test_unknown_task_is_named():
    done = benchmark("--only", "train-gmmm")
    assert done.returncode == 2
    assert "train-gmmm: no such task" in done.stderr


def load(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    if str(TOOLS) not in sys.path:  # they import each other
        sys.path.append(str(TOOLS))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_evaluator_sums_over_all_paths():
    bare = load("benchmark_bare")
    rng = np.random.default_rng(0)
    trans = np.array([[0.6, 0.4, 0], [0, 0.7, 0.3], [0, 0, 1]])
    model = bare.WordParameters(
        np.array([0.9, 0.1, 0]),
        trans,
        None,
        np.full((3, 2), 0.5),
        rng.normal(size=(3, 2, 4)),
        rng.uniform(0.5, 2, (3, 2, 4)),
    )
    arrays = [rng.normal(size=(length, 4)) for length in (1, 5, 3)]
    for array, score in zip(arrays, bare.forward(model, arrays), strict=True):
        density = np.exp(model.log_likelihood(array))
        total = 0.0
        for path in itertools.product(range(3), repeat=len(array)):
            arcs = np.prod([trans[i, j] for i, j in itertools.pairwise(path)])
            total += model.start[path[0]] * arcs * np.prod(density[np.arange(len(path)), path])
        np.testing.assert_allclose(score, np.log(total), rtol=1e-12)


def test_memory_is_that_of_the_command_not_of_the_benchmark(tmp_path):
    timing = load("benchmark_timing")
    ballast = np.ones(40 << 20)  # 320 MB, which a forked child would count as its own
    small = timing.measure([[sys.executable, "-c", "pass"]], tmp_path / "log")
    large = timing.measure([[sys.executable, "-c", "x = bytearray(b'1') * (150 << 20)"]], tmp_path / "log")
    assert small.peak_mb < 100 < 150 < large.peak_mb < 300 < ballast.nbytes / 2**20
    with pytest.raises(timing.Failed, match="status 3"):
        timing.measure([[sys.executable, "-c", "raise SystemExit(3)"]], tmp_path / "log")


def test_seconds_of_the_processor_are_those_of_the_command(tmp_path):
    timing = load("benchmark_timing")
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    used, idle = (
        timing.measure([[sys.executable, "-c", code]], tmp_path / "log")
        for code in (busy, "import time; time.sleep(0.5)")
    )
    assert 0.3 <= used.cpu_s < 0.6 and idle.cpu_s < 0.3 < 0.5 <= idle.seconds


def test_ratios_are_of_each_turn_and_the_table_has_their_spread():
    timing = load("benchmark_timing")
    durations = {"asrkit": [1.0, 2.0, 1.0], "peer": [3.0, 4.0, 2.0]}
    contestants = [
        timing.Contestant(name, functools.partial(lambda own: timing.Usage(own.pop(0), 0.0, 0.5), own))
        for name, own in durations.items()
    ]
    ours, theirs = timing.compete("task", contestants, 3)
    assert (ours.seconds, theirs.ratio, theirs.ratios) == ([1.0, 2.0, 1.0], 3.0, [3.0, 2.0, 2.0])
    assert theirs.cells()[2:5] == ["3 [2–4]", "0.5", "3 [2–3]"]


def test_quick_is_small_and_what_is_asked_for_stays():
    """In a process of its own: the tool takes variables out of its environment."""
    code = "import sys; sys.path.append(sys.argv[1]); import benchmark, json; own = benchmark.parse(sys.argv[2:]); "
    code += "print(json.dumps([own.only, own.words, own.utts_per_word, own.repeats, list(benchmark.QUICK), list(benchmark.TASKS)]))"

    def parsed(*words):
        done = subprocess.run(
            [sys.executable, "-c", code, str(TOOLS), *words], capture_output=True, check=True
        )
        return json.loads(done.stdout)

    only, *settings, quick, _ = parsed("--quick", "--words", "3")
    assert only == quick and settings == [3, 40, 3]
    only, *_, tasks = parsed()
    assert only == [name for name in tasks if name != "cluster"]  # which needs the extra


def test_commands_keep_their_bytecode(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in load("benchmark_asrkit").environment()


def test_a_target_may_be_against_another_row():
    timing = load("benchmark_timing")
    seconds = {"asrkit": 1.0, "asrkit, other": 2.0, "peer": 3.0}
    rows = timing.compete(
        "task",
        [
            timing.Contestant("asrkit", lambda: timing.Usage(seconds["asrkit"], 1.0)),
            timing.Contestant("asrkit, other", lambda: timing.Usage(seconds["asrkit, other"], 1.0)),
            timing.Contestant(
                "peer", lambda: timing.Usage(seconds["peer"], 1.0), target=2.0, against="asrkit, other"
            ),
        ],
        2,
    )
    assert [row.ratio for row in rows] == [1, 2, 3]
    assert rows[2].target == "≥ 2 of asrkit, other's (1.5): no"


def test_all_peers_stand_beside_asrkit():
    timing = load("benchmark_timing")
    own, floor, peer = (
        timing.Row("t", system, seconds=[s, 2 * s], ratio=s, ratios=[s, s], quality=quality)
        for system, s, quality in (
            ("asrkit", 1.0, "2 wrong"),
            ("floor, float32", 0.5, "–"),
            ("peer", 3.0, "5 wrong"),
        )
    )
    gone = timing.Row("t", "absent", missing="not installed")
    assert list(timing.at_a_glance([own, floor, peer, gone])) == [
        ["t", "peer", "1.5 : 4.5", "3 [3–3]", "2 wrong", "5 wrong"]
    ]


def test_tables_are_put_into_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Words\n\n<!-- tables -->\n\nold\n", encoding="utf-8")
    done = benchmark(*TINY, "--only", "gmm-em", "--page", str(page))
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Words\n\n<!-- tables -->\n\n## Benchmark\n") and "old" not in text
    assert "### gmm-em" in text and "### All peers" in text and done.stdout.strip() in text


def test_words_are_repeated(tmp_path):
    data = load("benchmark_data")
    for name, table in {
        "text": {"a": "one", "b": "two"},
        "feats.scp": {"a": "x:1", "b": "x:9"},
        "utt2spk": {"a": "s", "b": "t"},
    }.items():
        data.write_table(tmp_path / "in" / name, table)
    out = data.repeated(tmp_path / "in", tmp_path / "out", 2)
    assert data.read_table(out / "text") == {"a-000": "one", "a-001": "one", "b-000": "two", "b-001": "two"}
    assert data.read_table(out / "feats.scp")["b-001"] == "x:9"
    assert (out / "spk2utt").read_text(encoding="utf-8") == "s a-000 a-001\nt b-000 b-001\n"
