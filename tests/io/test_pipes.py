"""Shell commands in scp files: run only when allowed, by whatever reads a table, and what fails gives no result."""

import re
import shutil

import kaldiio
import numpy as np
import pytest
import soundfile

from asrkit.audio.perturbation import PerturbConfig
from asrkit.cli import main as cli
from asrkit.errors import DataError
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.features.transform import TransformConfig
from asrkit.io.archive import read_matrix
from asrkit.io.audio import audio_info, read_audio
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import ReadConfig, read_features
from asrkit.io.pipes import run_pipe
from asrkit.io.validation import Checks, find_faults
from asrkit.workflows.check_leaks import check_leaks
from asrkit.workflows.compute_cmvn import compute_cmvn
from asrkit.workflows.compute_features import compute_features
from asrkit.workflows.detect_endpoints import detect_endpoints
from asrkit.workflows.info import info
from asrkit.workflows.mixgop_import_alignment import mixgop_import_alignment
from asrkit.workflows.mixgop_plot import Sounds
from asrkit.workflows.perturb import perturb
from asrkit.workflows.report import spectrogram

KIND = MfccConfig(sample_rate_hz=8000)
BASH = pytest.mark.skipif(
    not shutil.which("bash"), reason="no bash here: the last command's status alone is known"
)

# What is done with a file that is whole, and what is said of it.
FAILING = {
    "status": ("cat {}; exit 3 |", "ended with status 3"),
    "unknown command": ("cat {}; no-such-command-at-all |", "ended with status 127.*no-such-command-at-all"),
    "killed": ("cat {}; kill -9 $$ |", "was killed by SIGKILL"),
    "nothing": ("true {} |", "ended with status 0 and gave nothing"),
    "complaint": ("cat {}; echo first >&2; echo disk is full >&2; exit 7 |", "status 7, saying: disk is full"),
    "complaint alone": ("echo no such speaker {} >&2 |", "gave nothing, saying: no such speaker"),
    "in the middle": pytest.param("(cat {}; exit 5) | cat |", "ended with status 5", marks=BASH),
    "at the start": pytest.param("exit 4 | cat {} |", "ended with status 4", marks=BASH),
    "before it": ("|cat {}; exit 6", "ended with status 6"),
}  # fmt: skip


def table(path, **lines):
    path.write_text("".join(f"{key} {value}\n" for key, value in lines.items()))


@pytest.fixture
def made(tmp_path):
    """A data directory of two recordings, whose entries the tests change, and the single files of each kind."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng, t = np.random.default_rng(0), np.arange(8000) / 8000
    for name in ("a", "b"):
        sound = rng.normal(0, 0.001, 8000) + 0.3 * np.sin(2 * np.pi * 500 * t) * (abs(t - 0.5) < 0.2)
        soundfile.write(folder / f"{name}.wav", sound, 8000)
        kaldiio.save_mat(str(folder / f"{name}.mat"), rng.normal(size=(98, 13)).astype(np.float32))
        kaldiio.save_mat(str(folder / f"{name}.cmvn"), np.abs(rng.normal(size=(2, 14))).astype(np.float32))
    (folder / "a.ali").write_text("1 1 2 2 2\n")
    table(folder / "wav.scp", a=folder / "a.wav", b=folder / "b.wav")
    table(folder / "feats.scp", a=folder / "a.mat", b=folder / "b.mat")
    table(folder / "cmvn.scp", a=folder / "a.cmvn", b=folder / "b.cmvn")
    for name in ("utt2spk", "spk2utt", "text"):
        table(folder / name, a="a", b="b")
    table(folder / "phones.txt", one=1, two=2)
    return folder


def with_entry(folder, name, spec):
    table(folder / name, a=spec, b=(folder / name).read_text().splitlines()[1].split()[1])
    return folder


def validated(folder, allow):
    faults = find_faults(folder, Checks(allow_pipes=allow))
    if faults:
        raise DataError("; ".join(faults))


def aligned(folder, allow):
    return mixgop_import_alignment(
        folder / "ali.scp", folder / "ali", phones=folder / "phones.txt", allow_pipes=allow
    )


def drawn(folder, allow):
    cmvn = TransformConfig(cmvn="speaker")
    return spectrogram(read_features(folder, transform_config=cmvn, allow_pipes=allow), "a", allow)


# Each reads the table: the file that its entry of `a` should give, the table, and who reads it.
READERS = {
    "read_audio": ("wav", None, lambda spec, allow: read_audio(spec, allow_pipes=allow)),
    "audio_info": ("wav", None, lambda spec, allow: audio_info(spec, allow_pipes=allow)),
    "read_matrix": ("mat", None, lambda spec, allow: read_matrix(spec, allow_pipes=allow)),
    "compute-mfcc": ("wav", "wav.scp", lambda d, allow: compute_features(d, KIND, read=ReadConfig(allow_pipes=allow))),
    "detect-endpoints": ("wav", "wav.scp", lambda d, allow: detect_endpoints(d, read=ReadConfig(allow_pipes=allow))),
    "perturb": ("wav", "wav.scp", lambda d, allow: perturb(d, d.parent / "out", config=PerturbConfig(speed="0.9"), read=ReadConfig(allow_pipes=allow))),
    "check-leaks": ("wav", "wav.scp", lambda d, allow: check_leaks(d, d, read=ReadConfig(allow_pipes=allow))),
    "check-leaks of features": ("mat", "feats.scp", lambda d, allow: check_leaks(d, d, read=ReadConfig(allow_pipes=allow))),
    "validate-data, wav.scp": ("wav", "wav.scp", validated),
    "validate-data, feats.scp": ("mat", "feats.scp", validated),
    "validate-data, cmvn.scp": ("cmvn", "cmvn.scp", validated),
    "feats.scp": ("mat", "feats.scp", lambda d, allow: list(read_features(d, transform_config=TransformConfig(), allow_pipes=allow))),
    "cmvn.scp": ("cmvn", "cmvn.scp", lambda d, allow: read_features(d, transform_config=TransformConfig(cmvn="speaker"), allow_pipes=allow)),
    "compute-cmvn": ("mat", "feats.scp", lambda d, allow: compute_cmvn(d, allow_pipes=allow)),
    "info": ("mat", "feats.scp", lambda d, allow: info(d / "feats.scp", allow_pipes=allow)),
    "mixgop plot": ("wav", "wav.scp", lambda d, allow: Sounds(read_data_dir(d), None, allow).read("a")),
    "report, wav.scp": ("wav", "wav.scp", drawn),
    "report, cmvn.scp": ("cmvn", "cmvn.scp", drawn),
    "import-alignment": ("ali", "ali.scp", aligned),
}  # fmt: skip


def prepared(made, reader, command):
    """What a reader is given where the entry of `a` is a command."""
    suffix, name, read = READERS[reader]
    spec = command.format(made / f"a.{suffix}")
    if name is None:
        return spec, read
    if name == "ali.scp":
        table(made / name, a=spec)
        return made, read
    if reader.startswith("check-leaks of"):
        (made / "wav.scp").unlink()
    return with_entry(made, name, spec), read


@pytest.mark.parametrize("reader", READERS)
def test_what_a_command_gives_is_read_when_allowed_and_never_otherwise(made, reader):
    given, read = prepared(made, reader, f"touch {made}/ran; cat {{}} |")
    with pytest.raises(DataError, match=r"allow_pipes=true if you trust it"):
        read(given, False)
    assert not (made / "ran").exists()
    read(given, True)
    assert (made / "ran").exists()


@pytest.mark.parametrize(("command", "fate"), FAILING.values(), ids=FAILING)
def test_a_command_that_fails_gives_nothing_and_says_why(made, command, fate):
    with pytest.raises(DataError, match=f"^'.*': the command .*{fate}"):
        run_pipe(command.format(made / "a.wav"), True)


@pytest.mark.parametrize(
    "command", ["cat {}; exit 3 |", pytest.param("(cat {}; exit 3) | cat |", marks=BASH)]
)
@pytest.mark.parametrize("reader", READERS)
def test_a_command_that_fails_is_an_error_whoever_reads(made, reader, command):
    given, read = prepared(made, reader, command)
    with pytest.raises(DataError, match="the command ended with status 3") as raised:
        read(given, True)
    named = "speaker 'a'" if "cmvn.scp" in reader else r"utterance 'a'|recording 'a'|\ba: '|^'"
    assert re.search(named, str(raised.value))


@BASH
def test_a_command_that_is_stopped_because_the_next_has_enough_is_no_failure(made):
    """As sox is in `sox long.wav -t wav - | head -c 1000`."""
    assert len(run_pipe("yes | head -c 1000 |", True)) == 1000
    with pytest.raises(DataError, match="was killed by SIGPIPE"):
        run_pipe("echo x; kill -PIPE $$ |", True)


def test_a_command_waits_for_no_input_and_its_complaints_alone_are_no_fault(capfd):
    assert run_pipe("cat; echo fine; echo 'clipped 3 samples' >&2 |", True) == b"fine\n"
    assert capfd.readouterr() == ("", "")


def test_a_command_that_cannot_be_run(tmp_path):
    for spec in ("echo a\0b |", "echo " + "x" * 3_000_000 + " |"):
        with pytest.raises(DataError, match="the command does not run"):
            run_pipe(spec, True)


def test_the_command_line_names_utterance_and_status(made, capsys):
    with_entry(made, "wav.scp", f"head -c 3000 {made}/a.wav; exit 1 |")
    assert cli.main(["compute-mfcc", str(made), "--sample-frequency=8000", "--allow-pipes=true"]) == 1
    assert "skipped 1 (a: 'head" in (err := capsys.readouterr().err) and "ended with status 1" in err
    assert "a" in read_data_dir(made).feats  # the old features stay
