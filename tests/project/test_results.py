"""RESULTS.md and the script that writes it: the page is of these commands, and its figures are those of the
decodings.
"""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from asrkit.io.files import write_table

RECIPE = Path(__file__).resolve().parents[2] / "egs/digits"
sys.path.insert(0, str(RECIPE / "local"))

import results  # noqa: E402
import results_curve  # noqa: E402
from results_plan import SECTIONS  # noqa: E402
from results_rows import Curve, Row, Section  # noqa: E402


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_the_page_shows_the_commands_of_the_plan(section):
    page = (RECIPE / "RESULTS.md").read_text(encoding="utf-8")
    _, found, rest = page.partition(f"## {section.title}\n\n{section.text.strip()}\n")
    assert found, "results_plan.py has changed: run local/results.py"
    here = rest.partition("\n## ")[0]
    assert "\n".join(["```bash", *results.commands_of(section), "```"]) in here
    for row in section.rows:
        assert f"| {row.name} |" in here or f"| **{row.name}** |" in here
    if section.pictures or section.curve:
        assert (RECIPE / f"RESULTS_{section.name}.png").exists()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_a_table_names_its_own_rows_and_files_that_are_there(section):
    names = [row.name for row in section.rows]
    assert len(set(names)) == len(names)
    named = {row.against for row in section.rows} | {section.reference} - {""}
    for _, points in section.curve.lines if section.curve else ():
        named |= {name for _, name in points}
    assert named <= {*names, ""}
    assert len(section.pictures) + (section.curve is not None) <= 1, "pictures have the table's name"
    commands = "\n".join(results.commands_of(section))
    for conf in re.findall(r"conf/\S+\.conf", commands):
        assert (RECIPE / conf).exists()
    for row in section.rows:
        for place in row.decodings:
            assert all(path.startswith(("$data/", "$exp/")) for path in place)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_every_decoding_is_of_one_row(section):
    decodes = [decode for row in section.rows for _, decode in row.decodings]
    assert len(set(decodes)) == len(decodes)


def test_the_functions_of_a_table_are_bash():
    for section in SECTIONS:
        lines = "\n".join(results.commands_of(section))
        done = subprocess.run(["bash", "-n", "-c", lines], capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stderr) == (0, ""), section.name


@pytest.fixture
def shell(tmp_path):
    utts = {f"{speaker}-{word}": word for speaker in ("ann", "bob") for word in ("one", "six", "two")}
    write_table(tmp_path / "data" / "text", utts)
    write_table(tmp_path / "data" / "utt2spk", {utt: utt[:3] for utt in utts})
    for name, wrong in (("good", []), ("bad", ["ann-six", "bob-one", "bob-two"])):
        write_table(
            tmp_path / name / "hyp",
            {
                utt: "six" if utt == "ann-one" and name == "bad" else word
                for utt, word in utts.items()
                if utt not in wrong
            },
        )
    return results.Shell({"data": str(tmp_path / "data"), "exp": str(tmp_path)}, tmp_path / "done", 1)


ROWS = (
    Row("bad", "echo late >> $exp/order\n", (("$data", "$exp/bad"),), late=True),
    Row("good", "echo row >> $exp/order\n", (("$data", "$exp/good"),)),
)
TOY = Section("toy", "Toy", "Six words.", ROWS, prepare="echo first >> $exp/order\n", by_speaker=True)


def test_every_set_of_commands_runs_once_and_in_order(shell, tmp_path):
    results.run_section(TOY, shell)
    results.run_section(TOY, shell)
    assert (tmp_path / "order").read_text().split() == ["first", "row", "late"]
    changed = dataclasses.replace(TOY, prepare="echo again >> $exp/order\n")
    results.run_section(changed, shell)
    assert (tmp_path / "order").read_text().split()[3:] == ["again"]
    assert shell.seconds.keys() == {"toy: prepare", "toy: good", "toy: bad"}


def test_a_failed_command_stops_all_with_its_last_words(shell):
    broken = dataclasses.replace(TOY, prepare="echo no such corpus\nfalse\necho not reached\n")
    with pytest.raises(subprocess.CalledProcessError) as raised:
        results.run_section(broken, shell)
    assert raised.value.output == "no such corpus" and "toy: prepare" in str(raised.value)
    assert not list(shell.done.glob("*.json"))


def test_the_figures_are_those_of_the_decodings(shell, tmp_path):
    reports = results.read_section(TOY, shell)
    bad, good = results.table(TOY, reports)[2:]
    # Of six words one was heard wrongly and three not at all; McNemar: 4 disputes, all for one side, 2 /
    # 2**4.
    assert bad.startswith("| bad | 4 of 6 | 66.67 | 30.00 to 90.32 |") and bad.endswith("| 0.12 |")
    assert good.startswith("| **good** | 0 of 6 | 0.00 | 0.00 to 39.03 | 0.00 to 0.00 |")
    assert results.speaker_table(TOY, reports)[2:] == ["| bad | 2 | 2 |", "| good | 0 | 0 |"]
    results.run_section(TOY, shell)
    results.publish(tmp_path / "page.md", [TOY], {"toy": reports}, shell)
    page = (tmp_path / "page.md").read_text()
    assert (
        bad in page and "```bash\necho first >> $exp/order\n# good\necho row >> $exp/order\n# bad\n" in page
    )
    assert str(tmp_path) not in page


def test_a_row_can_name_what_it_is_tested_against(shell):
    rows = [dataclasses.replace(row, against="bad" if row.name == "good" else "") for row in ROWS]
    section = dataclasses.replace(TOY, rows=tuple(rows))
    bad, good = results.table(section, results.read_section(section, shell))[2:]
    assert bad.startswith("| bad |") and bad.endswith(" to 66.67 |  |")
    assert good.startswith("| good |") and good.endswith("| 0.12 |")


CURVE = Curve("recordings", (("a", ((1, "bad"), (10, "good"))), ("b", ((1, "bad"),)), ("c", ((1, "good"),))))


def test_a_curve_is_drawn_beside_its_page(shell, tmp_path):
    section = dataclasses.replace(TOY, curve=CURVE)
    results.run_section(section, shell)
    results.publish(tmp_path / "page.md", [section], {"toy": results.read_section(section, shell)}, shell)
    assert (tmp_path / "page_toy.png").read_bytes().startswith(b"\x89PNG")
    assert "](page_toy.png)" in (tmp_path / "page.md").read_text()


def test_no_error_is_drawn_as_half_of_one(shell, monkeypatch):
    figures = []
    monkeypatch.setattr(results_curve, "save", lambda figure, path: figures.append(figure))
    results_curve.draw_curve(CURVE, results.read_section(TOY, shell), "unused")
    (axes,) = figures[0].axes
    first, *_ = axes.get_lines()
    assert first.get_xdata().tolist() == [1, 10]
    assert first.get_ydata().tolist() == pytest.approx([100 * 4 / 6, 100 * 0.5 / 6])
    low, high = axes.collections[0].get_paths()[0].get_extents().intervaly
    assert low == pytest.approx(100 * 0.5 / 6) and high == pytest.approx(90.32, abs=0.01)  # Wilson's end
