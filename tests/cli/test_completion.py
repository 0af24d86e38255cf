"""Completion of the command line, as the shells do it from the printed script."""

import dataclasses
import shlex
import shutil
import subprocess

import pytest

from asrkit import families
from asrkit.cli import main as cli
from asrkit.cli.completion import SHELLS, completion_script, completion_table
from asrkit.phones.mixgop import MixgopConfig


@pytest.fixture(scope="module")
def table():
    return completion_table()


def needs(shell):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture(scope="module")
def scripts(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / shell).write_text(completion_script(shell, table))
    return folder


def run_shell(shell, code, **kwargs):
    done = subprocess.run(
        [shutil.which(shell), "-c", code], capture_output=True, text=True, timeout=60, **kwargs
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def bash_completes(scripts, *words, at=None):
    """What bash offers for the words of a line after `asrkit`, the last of which is being typed unless `at` says which."""
    line = shlex.join(["asrkit", *words])
    at = len(words) if at is None else at
    code = f"""set -u; source {shlex.quote(str(scripts / "bash"))}
        COMP_WORDS=({line}); COMP_CWORD={at}; _asrkit; echo "${{COMPREPLY[*]-}}" """
    return run_shell("bash", code, env={"PATH": ""}).split()  # no program is at hand: a tab starts none


@needs("bash")
class TestBash:
    def test_commands(self, scripts):
        every = {*cli.all_commands(), "help"}
        assert set(bash_completes(scripts, "")) == every
        assert bash_completes(scripts, "compute-m") == ["compute-mfcc"]
        assert set(bash_completes(scripts, "help", "")) == every
        assert bash_completes(scripts, "--ver") == ["--version"]

    def test_commands_of_a_group(self, scripts):
        assert bash_completes(scripts, "mixgop", "") == list(cli.GROUPS["mixgop"])
        assert bash_completes(scripts, "help", "mixgop", "ev") == ["evaluate"]
        assert bash_completes(scripts, "mixgop", "train", "--baseline") == ["--baselines"]

    @pytest.mark.parametrize("command", ["compute-mfcc", "score", "mixgop clusters"])
    def test_options(self, scripts, command):
        parser = cli.build_parser(command, cli.load_command(command), [])
        assert set(bash_completes(scripts, *command.split(), "--")) == set(parser.known_flags())

    @pytest.mark.parametrize("family", families.names())
    @pytest.mark.parametrize("named", ["--family {}", "--family = {}", "--family={}"])
    def test_options_of_the_family_that_the_line_names(self, scripts, family, named):
        named = named.format(family).split()
        offered = bash_completes(scripts, "train", *named, "data/train", "--")
        parser = cli.build_parser("train", cli.load_command("train"), ["--family", family])
        assert set(offered) == set(parser.known_flags())
        assert sorted(offered) == sorted(set(offered))
        assert set(bash_completes(scripts, "train", "--", *named, at=2)) == set(
            offered
        )  # named after the cursor
        assert len(bash_completes(scripts, "train", "data/train", "--")) < len(offered)

    def test_values(self, scripts):
        assert bash_completes(scripts, "train", "d", "--family", "") == families.names()
        assert bash_completes(scripts, "train", "d", "--family", "sc") == ["schmm"]
        pooling = next(f for f in dataclasses.fields(MixgopConfig) if f.name == "pooling")
        assert bash_completes(scripts, "mixgop", "train", "--pooling", "") == list(
            pooling.metadata["choices"]
        )
        assert bash_completes(scripts, "mixgop", "evaluate", "--higher-is", "b") == ["better"]
        assert bash_completes(scripts, "compute-mfcc", "--snip-edges", "t") == ["true"]
        assert bash_completes(scripts, "train", "--family", "chmm", "--covariance", "d") == ["diag"]
        assert bash_completes(scripts, "completion", "") == list(SHELLS)

    def test_values_after_an_equals_sign(self, scripts):
        """bash makes three words of --option=value, and one where COMP_WORDBREAKS lacks the sign."""
        assert bash_completes(scripts, "train", "--family", "=") == families.names()
        assert bash_completes(scripts, "train", "--family", "=", "sc") == ["schmm"]
        assert bash_completes(scripts, "train", "--family=sc") == ["--family=schmm"]

    @pytest.mark.parametrize(
        "words",
        [
            ["train", ""],
            ["train", "data/", "--family", "chmm", ""],
            ["train", "--config", ""],
            ["train", "--config", "="],
            ["compute-mfcc", "--snip-edges", "data"],
            ["train", "--family=chmm", ""],
            ["no-such-command", ""],
        ],
    )
    def test_files_are_left_to_the_shell(self, scripts, words):
        assert bash_completes(scripts, *words) == []

    def test_the_shell_completes_files_and_is_told_of_asrkit(self, scripts):
        told = run_shell("bash", f"source {shlex.quote(str(scripts / 'bash'))}; complete -p asrkit")
        assert "-o default" in told and "-F _asrkit" in told


@needs("zsh")
def test_zsh_reads_the_script(scripts):
    run_shell("zsh", f"zsh -n {shlex.quote(str(scripts / 'zsh'))}")


@needs("fish")
def test_fish_completes(scripts):
    def completes(line):
        code = f"source {shlex.quote(str(scripts / 'fish'))}; complete -C {shlex.quote(line)}"
        return [found.partition("\t")[0] for found in run_shell("fish", code).splitlines()]

    assert sorted(completes("asrkit mixgop ")) == sorted(cli.GROUPS["mixgop"])
    assert completes("asrkit train --family chmm --num-st") == ["--num-starts", "--num-states"]
    assert completes("asrkit train --family=sc") == ["--family=schmm"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell, table, capsys):
    assert cli.main(["completion", shell]) == 0
    out, _ = capsys.readouterr()
    assert out == completion_script(shell, table)
    for key in (*table.options, *table.values):
        assert f"'{key}'" in out


def test_every_command_is_in_the_table(table):
    leaves = [name for name in cli.all_commands() if name not in cli.GROUPS]
    leaves += [f"{group} {name}" for group in cli.GROUPS for name in cli.GROUPS[group]]
    for command in leaves:
        parser = cli.build_parser(command, cli.load_command(command), [])
        assert set(table.options[command]) == set(parser.known_flags())
