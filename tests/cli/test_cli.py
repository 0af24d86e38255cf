"""The command line: help, exit statuses, what goes to stdout and what to stderr."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import asrkit
from asrkit.cli import main as cli
from asrkit.errors import DataError, UsageError


def status_of(*words):
    """Exit status of a command, however it ends."""
    try:
        return cli.main([str(word) for word in words])
    except SystemExit as stop:
        return stop.code


def python(code):
    """Run Python code in a fresh process: (status, stdout, stderr)."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


# help


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_command(word, capsys):
    assert status_of(word) == 0
    out, err = capsys.readouterr()
    for name, summary in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", out, re.MULTILINE)
    assert err == ""


def test_no_command_is_wrong_usage(capsys):
    assert status_of() == 2
    assert "usage: asrkit COMMAND" in capsys.readouterr().out


def test_version(capsys):
    assert status_of("--version") == 0
    assert capsys.readouterr().out == f"asrkit {asrkit.__version__}\n"


LEAVES = [name for name in cli.COMMANDS if name not in cli.GROUPS] + [
    f"{group} {name}" for group in cli.GROUPS for name in cli.GROUPS[group]
]


@pytest.mark.parametrize("name", LEAVES)
def test_help_of_a_command(name, capsys):
    assert status_of(*name.split(), "--help") == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: asrkit {name} ")
    assert re.search(rf"^example:\s+asrkit {name} \S", out, re.MULTILINE)
    assert "--config FILE" in out and err == ""


def test_every_file_of_commands_is_one():
    files = {path.stem.replace("_", "-") for path in Path(cli.__file__).parent.glob("commands/*.py")}
    assert files - {"--init--"} == {name.replace(" ", "-") for name in LEAVES} and set(cli.GROUPS) < set(
        cli.COMMANDS
    )


@pytest.mark.parametrize("group", cli.GROUPS)
def test_a_command_that_is_several(group, capsys):
    assert status_of(group, "--help") == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: asrkit {group} COMMAND [options]\n") and err == ""
    for name, summary in cli.GROUPS[group].items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", out, re.MULTILINE)
    assert status_of(group) == 2
    capsys.readouterr()
    nearly = next(iter(cli.GROUPS[group]))[:-1]
    assert status_of(group, nearly) == status_of(group, "info") == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"asrkit {group}: unknown command '{nearly}' (did you mean {nearly}") and out == ""


def test_help_answers_at_once():
    code = "import sys, asrkit.cli.main; asrkit.cli.main.main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    status, out, err = python(code)
    assert status == 0 and "prepare-wavs" in out
    for slow in (
        "numpy",
        "scipy",
        "numba",
        "librosa",
        "matplotlib",
        "soundfile",
        "kaldiio",
        "joblib",
        "tqdm",
    ):
        assert f"'{slow}'" not in err
    assert "'argparse'" in err


def test_as_a_module_and_as_a_script(tmp_path):
    script = Path(sys.executable).with_name("asrkit")
    for command in ([sys.executable, "-m", "asrkit"], *([[str(script)]] if script.exists() else [])):
        done = subprocess.run(
            [*command, "validate-data", str(tmp_path / "none")], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1 and done.stderr.startswith("# asrkit validate-data ")


# exit statuses


def test_unknown_command(capsys):
    assert status_of("compute-mfc", "data") == 2
    out, err = capsys.readouterr()
    assert (
        err
        == "asrkit: unknown command 'compute-mfc' (did you mean compute-mfcc?); asrkit --help lists them\n"
    )
    assert out == ""
    assert status_of("zzz") == 2
    assert "did you mean" not in capsys.readouterr().err


WRONG_USAGE = {
    "unknown option": (["--num-cep=3"], "unknown option --num-cep (did you mean --num-ceps?)"),
    "unknown option, value apart": (
        ["--num-cep", "3"],
        "unknown option --num-cep (did you mean --num-ceps?)",
    ),
    "abbreviation": (["--num-c=3"], "unknown option --num-c (did you mean --num-ceps?)"),
    "no number": (["--num-ceps=many"], "argument --num-ceps: invalid int value: 'many'"),
    "no boolean": (["--snip-edges=maybe"], "argument --snip-edges: invalid boolean 'maybe' (true or false)"),
    "no choice": (["--window-type=gauss"], "argument --window-type: 'gauss' is none of povey"),
    "impossible together": (["--num-ceps=30"], "--num-ceps=30"),
    "no value": (["--num-ceps"], "argument --num-ceps: expected one argument"),
    "another word": (["other"], "unexpected argument 'other'"),
    "no conf file": (["--config", "none.conf"], "none.conf: cannot be read: No such file"),
    "no conf file named": (["--config"], "--config needs a file"),
    "jobs": (["--nj=0"], "argument --nj: 0 is less than 1"),
    "compression": (["--compress=9"], "--compress=9"),
}


@pytest.mark.parametrize(("words", "message"), WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage(make_data_dir, capsys, words, message):
    folder = make_data_dir()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert status_of("compute-mfcc", folder, *words) == 2
    out, err = capsys.readouterr()
    assert message in err and "asrkit compute-mfcc --help explains" in err and "Traceback" not in err
    assert out == ""
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--use-energi=false", "--use-energi (did you mean --use-energy?)"),
        ("--config=other.conf", "--config"),
        ("--help", "--help"),
    ],
)
def test_unknown_key_of_a_conf_file(make_data_dir, tmp_path, capsys, line, message):
    (tmp_path / "mfcc.conf").write_text(f"# mine\n--num-ceps=12\n{line}\n")
    assert status_of("compute-mfcc", make_data_dir(), "--config", tmp_path / "mfcc.conf") == 2
    assert f"{tmp_path}/mfcc.conf:3: unknown option {message}" in capsys.readouterr().err


NUMBERS = [
    "9" * 5000,
    "\u00b2",
    "1_000",
    "1" + "0" * 400,
    "inf",
    "nan",
    "\u0663",
    "\uff11\uff12",
    "--",
    "0x10",
    "",
]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: ascii(value)[:10] + str(len(value)))
@pytest.mark.parametrize(
    "words",
    [["compute-mfcc", "--frame-length"], ["compute-mfcc", "--max-skipped"], ["subset-data", "--per-word"]],
    ids=" ".join,
)
def test_impossible_numbers_of_a_conf_file_are_one_short_line_with_its_name(
    make_data_dir, tmp_path, capsys, words, value
):
    (tmp_path / "a.conf").write_text(f"{words[1]}={value}\n", encoding="utf-8")
    data = make_data_dir()
    with pytest.raises(SystemExit):
        cli.main([words[0], str(data), str(tmp_path / "out"), f"--config={tmp_path / 'a.conf'}"])
    err = capsys.readouterr().err
    assert f"a.conf:1: argument {words[1]}: " in err and err.count("\n") == 1 and len(err) < 600


def test_the_command_line_wins_over_conf_files(make_data_dir, tmp_path, capsys):
    folder = make_data_dir()
    (tmp_path / "mfcc.conf").write_text(
        "--sample-frequency=8000\n--num-ceps=12\n--use-energy\n--num-mel-bins=20\n"
    )
    assert (
        status_of(
            "compute-mfcc",
            folder,
            "--num-ceps=5",
            "--config",
            tmp_path / "mfcc.conf",
            "--snip-edges",
            "false",
        )
        == 0
    )
    record = (folder / "frontend.conf").read_text()
    for line in (
        "--num-ceps=5",
        "--num-mel-bins=20",
        "--use-energy=true",
        "--snip-edges=false",
        "--sample-frequency=8000",
    ):
        assert f"{line}\n" in record
    expected = f"# asrkit compute-mfcc --sample-frequency=8000 --num-ceps=12 --use-energy=true --num-mel-bins=20 {folder} --num-ceps=5"
    assert capsys.readouterr().err.startswith(expected)


@pytest.mark.parametrize(
    "words", [["--no-text", "{}"], ["{}", "--no-text"], ["--no-text=true", "{}"], ["--no-text", "T", "{}"]]
)
def test_a_bare_boolean_swallows_no_word(make_data_dir, words):
    folder = make_data_dir()
    (folder / "text").unlink()
    assert status_of("validate-data", *(word.format(folder) for word in words)) == 0
    assert status_of("validate-data", folder, "--no-text", "false") == status_of("validate-data", folder) == 1


def test_data_that_fails(tmp_path, capsys):
    assert status_of("compute-mfcc", tmp_path / "no such folder") == 1
    out, err = capsys.readouterr()
    first, last = err.splitlines()
    assert first == f"# asrkit compute-mfcc '{tmp_path}/no such folder'"
    assert last.startswith(f"asrkit compute-mfcc: error: {tmp_path}/no such folder: no such folder")
    assert out == ""


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (DataError("x: bad"), 1, "asrkit info: error: x: bad\n"),
        (UsageError("--x is bad"), 2, "asrkit info: error: --x is bad (asrkit info --help explains)\n"),
        (OSError(28, "No space left on device", "y"), 1, "asrkit info: error: y: No space left on device\n"),
        (KeyboardInterrupt(), 130, "asrkit info: interrupted\n"),
    ],
)
def test_how_a_command_can_end(monkeypatch, capsys, error, status, message):
    def broken(args):
        raise error

    monkeypatch.setattr("asrkit.cli.commands.info.main", broken)
    assert status_of("info", "x") == status
    out, err = capsys.readouterr()
    assert err.startswith("# asrkit info x\n") and err.endswith(message) and out == ""


def test_our_own_mistakes_are_not_hidden(monkeypatch):
    def broken(args):
        raise KeyError("x")

    monkeypatch.setattr("asrkit.cli.commands.info.main", broken)
    with pytest.raises(KeyError):
        cli.main(["info", "x"])


def test_a_reader_that_leaves_early():
    code = (
        "import sys; from asrkit.cli import main as cli; import asrkit.cli.commands.info as info\n"
        "def main(args):\n    [print('x' * 1000) for _ in range(1000)]\n    return 0\n"
        "info.main = main; sys.exit(cli.main(['info', 'x']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 0 and err == b"# asrkit info x\n"


UNWRITABLE = {
    "prepare-wavs": ["{data}/wav", "{out}/data", "--speaker", "amy"],
    "compute-mfcc": ["{data}", "--sample-frequency=8000"],
    "compute-cmvn": ["{data}"],
    "subset-data": ["{data}", "{out}/data", "--first", "2"],
    "train-codebook": ["{data}", "{out}/exp", "--codebook-size=4"],
}


@pytest.mark.parametrize(("name", "words"), UNWRITABLE.items(), ids=UNWRITABLE)
def test_an_output_folder_that_cannot_be(make_data_dir, tmp_path, capsys, name, words):
    """A file stands where the folder should; root may write everywhere else."""
    folder = make_data_dir()
    (tmp_path / "out").write_text("in the way")
    (folder / "data").write_text("in the way")
    if name == "prepare-wavs":
        (folder / "wav" / "no").mkdir()
        (folder / "wav" / "amy-no.wav").rename(folder / "wav" / "no" / "1.wav")
    assert status_of(name, *(word.format(data=folder, out=tmp_path / "out") for word in words)) == 1
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if "error" in line]
    assert len(errors) == 1 and "cannot be written" in errors[0] and err.endswith(errors[0] + "\n")
    assert "Traceback" not in err and out == ""


@pytest.mark.parametrize(
    "words, says",
    [
        (["--nj", "0"], "0 is less than 1"),
        (["--tol", "nan"], "nan is not a finite number"),
        (["--tol=-1"], "-1 is less than 0"),
        (["--variance-floor", "2"], "2 is more than 1"),
        (["--num-states", "0"], "0 is less than 1"),
        (["--num-gauss", "four"], "invalid int value"),
    ],
)
def test_values_out_of_bounds_are_wrong_usage(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "data", "exp", "--family", "chmm", *words])
    assert ended.value.code == 2 and says in capsys.readouterr().err


def test_a_conf_file_may_name_the_family(tmp_path, capsys):
    (tmp_path / "x.conf").write_text("--family=chmm\n--num-states=5\n")
    assert (
        cli.main(
            ["train", str(tmp_path / "nowhere"), str(tmp_path / "exp"), "--config", str(tmp_path / "x.conf")]
        )
        == 1
    )
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["train"], ["compute-mfcc"], ["mixgop", "train"], ["mixgop"]])
def test_help_of_a_name_is_its_help(capsys, words):
    shown = []
    for line in (["help", *words], [*words, "--help"]):
        with contextlib.suppress(SystemExit):
            cli.main(line)
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] and shown[0].startswith(f"usage: asrkit {' '.join(words)} ")


def test_a_guess_is_near_or_is_not_made(capsys):
    for flag, guess in (("--threshold", ""), ("--covarianc", " (did you mean --covariance?)")):
        with pytest.raises(SystemExit):
            cli.main(["train", "data", "exp", "--family", "chmm", flag, "1"])
        assert f"unknown option {flag}{guess} (asrkit train --help" in capsys.readouterr().err


def test_what_the_terminal_cannot_show_is_escaped(tmp_path):
    folder = tmp_path / "左"
    folder.mkdir()
    (folder / "text").write_text("a-1 左\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "asrkit", "info", str(folder)],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
    )
    assert done.returncode == 0 and b"\\u5de6" in done.stdout and b"Traceback" not in done.stderr
