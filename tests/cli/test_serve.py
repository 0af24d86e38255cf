"""asrkit serve as a program: what it prints, what it refuses, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

pytest.importorskip("uvicorn", reason="the extra web is not installed")

from command import asrkit
from served import make_model

from asrkit.errors import DataError, SettingsError
from asrkit.web.server import ServerConfig, prepare


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"), family="gmm", num_gauss=1)


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent")
def test_an_address_to_open_and_an_end_in_one_line(exp):
    words = [sys.executable, "-m", "asrkit", "serve", exp, "--port=0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
    with urllib.request.urlopen(address, timeout=20) as answer:
        assert b"<h1>asrkit</h1>" in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address[:-1], timeout=20)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=20)
    said = [line for line in said.splitlines() if not line.startswith("# ")]
    assert process.returncode == 130 and out == "" and said == ["asrkit serve: interrupted"]


def lines_of(exp, **config):
    server = prepare(exp, config=ServerConfig(port=0, **config))
    server.close()
    return server.lines()


def test_two_servers_have_two_tokens(exp):
    assert lines_of(exp)[0].partition("token=")[2] != lines_of(exp)[0].partition("token=")[2]


def test_what_listening_to_others_means_is_said(exp, tmp_path):
    assert len(lines_of(exp)) == 1
    lines = lines_of(exp, host="0.0.0.0")
    assert socket.gethostname() in lines[0] and "other machines reach it" in lines[1]
    assert "token cross the network in the clear" in lines[2]
    assert "the first word that is taught begins one" in lines_of(tmp_path / "new")[1]


@pytest.mark.parametrize(
    ("settings", "error", "why"),
    [
        ({"host": "no.such.host.invalid"}, DataError, "can't be listened on"),
        ({"host": "192.0.2.1"}, DataError, "can't be listened on"),
        ({"key": "key.pem"}, SettingsError, "no certificate"),
        ({"certificate": "no/such.pem"}, DataError, "no certificate to serve https with"),
    ],
)  # fmt: skip
def test_where_it_can_not_be_reached_it_does_not_begin(exp, settings, error, why):
    with pytest.raises(error, match=why):
        prepare(exp, config=ServerConfig(port=0, **settings))


def test_a_port_that_is_taken(exp, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        asrkit("serve", exp, f"--port={taken.getsockname()[1]}", status=1)
    assert "(--port 0 takes one that is free)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", ["--report=no/such.html", "--keep={exp}/final.npz", "--min-confidence=0.5"]
)
def test_what_can_not_be_given(tmp_path, option, capsys):
    exp = make_model(tmp_path, family="dtw")
    asrkit("serve", exp, "--port=0", option.format(exp=exp), status=1)
    assert re.search(r"no such file|can't be kept|does not know how sure", capsys.readouterr().err)


def test_a_folder_without_a_model(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "text").write_text("")
    asrkit("serve", tmp_path / "data", status=1)
    assert "no final.npz in this folder" in capsys.readouterr().err
    (tmp_path / "final.npz").write_bytes(b"no model")
    asrkit("serve", tmp_path, status=1)
    assert "final.npz" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_type(exp, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    monkeypatch.delitem(sys.modules, "asrkit.web.app", raising=False)
    asrkit("serve", exp, status=1)
    assert re.search(
        r"asrkit serve needs starlette, uvicorn and websockets .*: pip install ", capsys.readouterr().err
    )
