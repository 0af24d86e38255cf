"""asrkit.io.names: what people call things, as names of files."""

import os
import unicodedata
from pathlib import PureWindowsPath

import pytest

from asrkit.errors import DataError
from asrkit.io.names import check_alike, file_name

NAMES = ["a", "a.b", "..", "a/b", "a\\b", "a%2Fb", "a:b", "why?", "*", "<s>", "[|]", '"', "\x01", "CON", "con.x", "Nul", "com1", "COM10", "lpt9.wav", "console", "左", "%"]  # fmt: skip
RESERVED = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"COM{i}" for i in range(1, 10)),
    *(f"LPT{i}" for i in range(1, 10)),
}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_file_s_on_every_system(name, tmp_path):
    made = file_name(name) + ".wav"
    assert not set(made) & set('/\\<>:"|?*') and not any(
        unicodedata.category(letter) == "Cc" for letter in made
    )
    assert made.split(".")[0].upper() not in RESERVED
    assert PureWindowsPath(made).name == made and os.path.dirname(made) == ""
    (tmp_path / made).touch()


def test_no_two_names_are_alike_and_plain_ones_stay():
    assert len({file_name(name) for name in NAMES}) == len(NAMES)
    for name in ("anna-no", "a.b", "..", "console", "COM10", "左", "größe"):
        assert file_name(name) == name


def test_names_that_differ_in_case_alone(tmp_path, monkeypatch):
    for name in ("a", "A", "b"):
        (tmp_path / name).touch()
    if not os.path.samefile(tmp_path / "a", tmp_path / "b"):
        check_alike(["a", "b"], lambda name: tmp_path / name)
    monkeypatch.setattr(os.path, "samefile", lambda *_: True)  # as macOS and Windows have it
    check_alike(["a", "b"], lambda name: tmp_path / name)
    with pytest.raises(DataError, match="A: is the file of 'a', too"):
        check_alike(["a", "b", "A"], lambda name: tmp_path / name)
