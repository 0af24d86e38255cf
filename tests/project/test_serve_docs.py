"""Every command that docs/serve.md shows is run here: each prints an address, which answers, and ends at Ctrl-C."""

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from dataclasses import fields

import pytest

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from pages import TOP, commands
from served import make_model

from asrkit.web.limits import USUAL

PAGE = TOP / "docs" / "serve.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = commands(PAGE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    make_model(folder / "exp" / "mine")
    (folder / "exp" / "report.html").write_text("<p>a report")
    return folder


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent")
@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_serves(folder, command):
    words = shlex.split(command)
    assert words[:2] == ["asrkit", "serve"]
    if "--port" not in words:
        words += ["--port", "0"]  # the usual one may be taken
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), process.stderr.read()
        here = re.sub(r"//[^:]+:", "//127.0.0.1:", address)
        with urllib.request.urlopen(here, timeout=20) as answer:
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_the_figures_are_those_of_the_limits():
    said = {field.name: getattr(USUAL, field.name) for field in fields(USUAL)}
    rows = "\n".join(line for line in TEXT.splitlines() if line.startswith("| "))
    for text in (
        f"{said['sound_bytes'] >> 20} MB, {said['sound_s']:g} s",
        f"{said['header_s']:g} s for its head, {said['body_s']:g} s for its body",
        f"{said['per_s']:g} a second, {said['burst']} at once",
        f"{said['waiting']}; {said['streams']}; {said['connections']}",
    ):
        assert text in rows
    assert f"{said['kept']:,} at the most" in TEXT
