"""Every command that docs/mixgop.md shows is run here, on invented speech; the pictures and files that it
names are there.
"""

import re
import shlex

import numpy as np
import soundfile
from command import asrkit
from pages import TOP, commands
from speechlike import RATE_HZ, say

from asrkit.io.textgrid import write_textgrid
from asrkit.phones.phone import Phone

DOCS = TOP / "docs"
TEXT = (DOCS / "mixgop.md").read_text(encoding="utf-8")
COMMANDS = commands(DOCS / "mixgop.md")


def write_speech(folder, part, speakers, takes, seed):
    """Recordings of AA S IY SH AA with pauses; `sick` speakers say S for SH. Also their TextGrids, and how
    bad each is.
    """
    rng, tables, bad = np.random.default_rng(seed), {"wav.scp": "", "text": "", "utt2spk": ""}, {}
    (folder / "data" / part / "wavs").mkdir(parents=True)
    for speaker in speakers:
        for take in range(takes):
            utt, said, start = f"{speaker}-{take:02d}", [], 0.1
            bad[utt] = int(speaker == "sick" and take % 2)
            for phone in ("AA", "S", "IY", "SH", "AA"):
                said.append(Phone(phone, start, start := round(start + rng.uniform(0.08, 0.2), 2)))
            sounds = [
                ("S" if bad[utt] and phone.label == "SH" else phone.label, phone.end_s - phone.start_s)
                for phone in said
            ]
            path = folder / "data" / part / "wavs" / f"{utt}.wav"
            soundfile.write(path, say([("-", 0.1), *sounds, ("-", 0.1)], rng), RATE_HZ)
            write_textgrid(folder / "textgrids" / part / f"{utt}.TextGrid", {"phones": said}, start + 0.1)
            tables["wav.scp"] += f"{utt} {path}\n"
            tables["text"] += f"{utt} word\n"
            tables["utt2spk"] += f"{utt} {speaker}\n"
    for name, table in tables.items():
        (folder / "data" / part / name).write_text(table)
    return bad


def test_no_place_is_left_open_and_pictures_are_there():
    assert not re.search(r"@[A-Z]+@|TODO|XXX", TEXT)
    for picture in re.findall(r"!\[[^]]*\]\(([^)]*)\)", TEXT):
        assert (DOCS / picture).read_bytes().startswith(b"\x89PNG"), picture


def test_the_session_runs_as_written(tmp_path, monkeypatch, capsys):
    write_speech(tmp_path, "native", ("ann", "bob", "cid"), 9, 0)
    bad = write_speech(tmp_path, "patient", ("sick", "well"), 4, 1)
    (tmp_path / "ratings.tsv").write_text("".join(f"{utt}\t{2 * rating}\n" for utt, rating in bad.items()))
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) == 9 and all(command.startswith("asrkit ") for command in COMMANDS)
    for command in COMMANDS:
        asrkit(*shlex.split(command)[1:])
    out = capsys.readouterr().out
    tau = re.search(r"^score +loglik +- +(\S+)", out, flags=re.MULTILINE)
    assert "ANMI" in out and float(tau[1]) > 0.5  # those who say S for SH
    for pattern, least in {
        "exp/mixgop/score/textgrid/*.TextGrid": 8, "exp/mixgop/pictures/utt_*.png": 4, "exp/mixgop/pictures/speakers_*.png": 1,
        "exp/mixgop/pictures/components_*.png": 3, "exp/mixgop/evaluation/evaluation.png": 1,
    }.items():  # fmt: skip
        assert len(list(tmp_path.glob(pattern))) >= least, pattern
