"""The package under its own name: found wherever Python starts, and what it says leads to no other project."""

import configparser
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import pages

import asrkit
from asrkit import distribution

TOP = Path(__file__).resolve().parents[2]
EXTRAS = ("align", "ssl", "web")


def setup():
    found = configparser.ConfigParser()
    found.read(TOP / "setup.cfg", encoding="utf-8")
    return found


def test_the_name_is_that_of_setup_cfg():
    assert setup()["metadata"]["name"] == distribution.NAME != "asrkit"


def test_in_the_folder_that_holds_the_clone(tmp_path):
    """There `asrkit` is also the name of a folder without a package's file."""
    (tmp_path / "asrkit" / "egs").mkdir(parents=True)
    for words in (
        ["-c", "import asrkit; print('asrkit', asrkit.__version__)"],
        ["-m", "asrkit", "--version"],
    ):
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout == f"asrkit {asrkit.__version__}\n", done.stderr


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_installed_from_where_asrkit_was(extra):
    error = distribution.missing_extra(extra, "it needs a library", ImportError("no library"))
    assert str(error).startswith("it needs a library (no library): pip install ")
    assert not re.search(r"\basrkit(-classic)?\[", str(error).replace(str(TOP), ""))


def fake(tmp_path, name, direct_url=None):
    folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    requires = (
        'Requires-Dist: numpy>=2\nRequires-Dist: pocketsphinx>=5.0; extra == "align"\nProvides-Extra: align\n'
    )
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
    if direct_url:
        (folder / "direct_url.json").write_text(direct_url)


@pytest.mark.parametrize(
    ("direct_url", "command"),
    [
        (None, "pip install 'pocketsphinx>=5.0'"),
        ('{"url": "file:///home/me/src", "dir_info": {}}', "pip install 'pocketsphinx>=5.0'"),
        (
            '{"url": "file:///home/me/a%20b", "dir_info": {"editable": true}}',
            "pip install -e '/home/me/a b[align]'",
        ),
    ],
)
def test_what_installs_an_extra(tmp_path, monkeypatch, direct_url, command):
    fake(tmp_path, distribution.NAME, direct_url)
    found = importlib.metadata.distributions(path=[str(tmp_path)])
    monkeypatch.setattr(importlib.metadata, "distributions", lambda name: found)
    assert distribution.install_command("align") == command


def test_sources_alone_name_the_libraries(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "distributions", lambda name: [])
    assert distribution.install_command("ssl") == "pip install torch transformers"


def test_no_page_leads_to_another_project():
    """`pip install asrkit` and `asrkit[extra]` would install what has that name on the index."""
    found = [
        *pages(),
        *(TOP / "egs").rglob("*.md"),
        *(TOP / "egs").rglob("*.sh"),
    ]
    found += (TOP / "asrkit").rglob("*.py")
    for page in found:
        assert not re.search(r"pip3? install[^\n`]*\basrkit\b(?!-)", page.read_text(encoding="utf-8")), page


def test_what_is_needed_is_what_the_lowest_versions_pin():
    stated = re.findall(r"^([\w-]+)>=([\w.]+)$", setup()["options"]["install_requires"], flags=re.MULTILINE)
    pins = dict(
        re.findall(
            r"^([\w-]+)==([\w.]+)$", (TOP / "tests/minimum-versions.txt").read_text(), flags=re.MULTILINE
        )
    )
    for name, version in stated:
        pinned, lowest = (tuple(map(int, text.split("."))) for text in (pins[name], version))
        assert pinned[: len(lowest)] == lowest and not any(pinned[len(lowest) :]), name
