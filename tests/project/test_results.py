"""RESULTS.md and the script that writes it: the page is of these commands, and its figures are those of the
decodings.
"""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from asrkit.io.files import write_table

RECIPE = Path(__file__).resolve().parents[2] / "egs/digits"
sys.path.insert(0, str(RECIPE / "local"))

import results  # noqa: E402
from results_plan import SECTIONS, Row, Section  # noqa: E402


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_the_page_shows_the_commands_of_the_plan(section):
    page = (RECIPE / "RESULTS.md").read_text(encoding="utf-8")
    _, found, rest = page.partition(f"## {section.title}\n\n{section.text.strip()}\n")
    assert found, "results_plan.py has changed: run local/results.py"
    here = rest.partition("\n## ")[0]
    assert "\n".join(["```bash", *results.commands_of(section), "```"]) in here
    for row in section.rows:
        assert f"| {row.name} |" in here or f"| **{row.name}** |" in here
    for path, _ in section.pictures:
        assert (RECIPE / f"RESULTS_{section.name}{Path(path).suffix}").exists()


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
