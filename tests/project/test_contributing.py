"""docs/contributing.md and docs/changelog.md: what they name is there."""

import configparser
import re
from pathlib import Path

import asrkit
from asrkit.families.base import Family
from asrkit.features.kind import FeatureKind

TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "docs" / "contributing.md").read_text(encoding="utf-8")
CHANGES = (TOP / "docs" / "changelog.md").read_text(encoding="utf-8")


def named(text):
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def section(title):
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_files_that_are_named_are_there():
    paths = [name for name in named(TEXT) if re.fullmatch(r"[\w.]+(/[\w.]+)+/?", name) and "NAME" not in name]
    paths += re.findall(r"\]\((\w+\.md)\)", TEXT)
    assert len(paths) > 15
    for path in paths:
        assert (TOP / path).exists() or (TOP / "docs" / path).exists(), path
    for path in re.findall(
        r"^((?:egs|tools)/\S+)", "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)), re.M
    ):
        assert (TOP / path).exists(), path


def test_checks_are_those_of_the_tool():
    tool = (TOP / "tools" / "check.py").read_text(encoding="utf-8")
    checks = re.findall(r'^    "(\w+)": \[', tool, re.MULTILINE)
    assert re.findall(r"^\| `(\w+)` \|", section("One command for quality"), re.MULTILINE) == checks


def test_every_member_that_must_be_declared_is_explained():
    for base, title in (
        (Family, "Adding a family of word models"),
        (FeatureKind, "Adding a kind of features"),
    ):
        members = {name for name in vars(base).get("__annotations__", {}) if not name.startswith("_")}
        members |= set(base.__abstractmethods__)
        explained = {name.partition("(")[0] for name in named(section(title))}
        assert members and members <= explained, members - explained


def test_changes_name_the_public_api_and_the_lowest_versions():
    assert set(asrkit.__all__) <= {name.removeprefix("asrkit.") for name in named(CHANGES)}
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg", encoding="utf-8")
    stated = re.findall(r"^([\w-]+)>=([\w.]+)$", setup["options"]["install_requires"], re.MULTILINE)
    for name, version in stated:
        assert f"{name} {version}" in " ".join(CHANGES.split()), name
