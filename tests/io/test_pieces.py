"""What a long work has kept of itself: whatever happens to the files, only pieces that are whole count."""

import numpy as np
import pytest

from asrkit.io.pieces import BYTES, RECORD, Pieces

CONTENTS = [bytes([number]) * (100 + number) for number in range(5)]
FACTS = [{"place": number, "seconds": 0.1 + number, "ending": float("nan")} for number in range(5)]


def write(folder, signature="same"):
    pieces = Pieces(folder, signature)
    for content, facts in list(zip(CONTENTS, FACTS))[len(pieces) :]:
        pieces.append(content, facts)
    pieces.close()
    return pieces


def check(pieces, count):
    assert len(pieces) == count and str(pieces.facts) == str(FACTS[:count])
    assert [pieces.read(place) for place in range(count)] == CONTENTS[:count]


def test_pieces_are_found_again_until_they_are_removed(tmp_path):
    write(tmp_path / "part")
    check(found := Pieces(tmp_path / "part", "same"), 5)
    found.remove()
    check(Pieces(tmp_path / "part", "same"), 0)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_before_the_first_piece(tmp_path):
    Pieces(tmp_path / "part", "same").close()
    assert not list(tmp_path.iterdir())


def test_pieces_of_another_work_are_discarded(tmp_path):
    write(tmp_path / "part")
    check(Pieces(tmp_path / "part", "another"), 0)
    assert not list(tmp_path.iterdir())


def damages(content, rng):
    """Content with a byte flipped, cut, a line of brackets or a huge length in it, emptied, at random places."""
    for place in rng.integers(len(content), size=25):
        yield content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]
        yield content[:place]
        yield content[:place] + b"\n" + b"[" * 100_000 + b"\n" + content[place:]
        yield content[:place] + b'\n["0", ' + b"9" * 30 + b", 0]\n" + content[place:]


@pytest.mark.parametrize("name", [BYTES, RECORD])
def test_whatever_is_damaged_a_whole_beginning_is_kept_and_the_rest_made_anew(tmp_path, name):
    folder = tmp_path / "part"
    write(folder)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for damaged in damages(whole[name], np.random.default_rng(0)):
        for path, content in {**whole, name: damaged}.items():
            folder.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
        check(found := Pieces(folder, "same"), len(found))
        check(write(folder), 5)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole


@pytest.mark.parametrize("count", [3, 0])
def test_the_first_pieces_can_be_kept_alone(tmp_path, count):
    write(tmp_path / "part")
    found = Pieces(tmp_path / "part", "same")
    found.keep(count)
    check(found, count)
    found.append(CONTENTS[count], FACTS[count])
    found.close()
    check(Pieces(tmp_path / "part", "same"), count + 1)
    check(write(tmp_path / "part"), 5)
