"""The command table: `asrkit NAME` runs `asrkit/cli/commands/name.py`, imported only when used, so that --help is
quick.
"""

import argparse
import ast
import contextlib
import gc
import importlib
import io
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from asrkit import __version__
from asrkit.cli.options import boolean, boolean_or_auto, cluster_of
from asrkit.cli.output import in_words, speak_flags
from asrkit.cli.signals import Stopped, raised, told, watch
from asrkit.config import nearest, read_conf
from asrkit.errors import AsrkitError, SettingsError, UsageError
from asrkit.runtime import load_one_thread, one_thread, out_of_memory, progress

ABOUT = "Isolated-word speech recognition with GMM, discrete HMM and continuous HMM, in Kaldi's manner."

COMMANDS = {
    "build": "folder of recordings -> a recogniser, how good it is, what to record next",
    "prepare-wavs": "folder of recordings -> Kaldi data directory",
    "validate-data": "check a data directory, list every fault",
    "fix-data": "sort and filter a data directory's files so that they agree",
    "split-data": "split a data directory into N parts by speaker",
    "subset-data": "copy a part of a data directory",
    "combine-data": "several data directories as one",
    "calibrate": "learn how sure a model may be, from recordings that are held out",
    "check-leaks": "does a training set hold what a test set asks? speakers, recordings, near-duplicates",
    "perturb": "copies of a data directory in noise, in rooms, by other voices",
    "detect-endpoints": "wav.scp -> segments: where the speech is",
    "compute-cmvn": "feats.scp -> cmvn.scp, one statistic a speaker",
    "compute-ssl": "recordings -> feats.scp and arks of a self-supervised speech model",
    "train-codebook": "features -> codebook.npz (vector quantisation)",
    "quantize": "features -> codes.scp",
    "train": "train a word model for every word of a data directory",
    "init-model": "the start of the training: models from uniform segmentation",
    "acc-stats": "one accumulation pass over a data directory",
    "sum-accs": "add statistics",
    "est-model": "statistics -> re-estimated models",
    "adapt": "move a trained vocabulary to one speaker, room or microphone: MAP, MLLR",
    "align": "best state sequences -> ali.scp, CTM",
    "decode": "features -> hypotheses and the scores of every word",
    "score": "error rates, confusion matrix, per-speaker table",
    "crossval": "train and test on all of a data directory, fold by fold",
    "learning-curve": "errors against the number of training utterances a word",
    "tune": "which settings? a race of configurations within a time budget",
    "combine": "several systems' scores as one, with learned weights",
    "compare": "is system B better than system A? McNemar's test",
    "report": "one table and the pictures of several decodings",
    "unknown": "how well a model tells its words from others: each word unknown in turn",
    "recognize": "wav files -> words",
    "explain": "why was a recording heard so? a picture, or a page",
    "plot": "a picture for a slide: codebook, Gaussians, HMM, alignment, trellis, features",
    "listen": "sound that is still coming -> words, as they are spoken",
    "serve": "a page in the browser that hears, shows why, and is taught",
    "teach": "a word more for a model, from one to ten recordings",
    "forget": "a word less, or what was taught to it",
    "merge": "the words of several models as one model",
    "mixgop": "how typical is each phone's pronunciation? mixtures of typical speech score it",
    "info": "what a model, data directory, ark or exp folder holds",
    "completion": "a script that completes this command line in bash, zsh or fish",
}


def kind_commands():
    """The commands `compute-NAME` of the kinds of features that have no file of their own in `commands`, found without importing
    them: dict of command to (kind, summary).
    """
    from asrkit.features import kinds

    found = {}
    paths = (path for folder in kinds.__path__ for path in Path(folder).glob("*.py"))
    for path in sorted(paths, key=lambda path: path.stem):
        tree = ast.parse(path.read_text(encoding="utf-8"), path)
        command = next(filter(None, map(command_of, tree.body)), None)
        if command and command not in COMMANDS:
            about = (ast.get_docstring(tree) or path.stem).splitlines()[0].partition(":")[0].rstrip(".")
            found[command] = path.stem, f"recordings -> feats.scp and arks: {about}"
    return found


def command_of(statement):
    """What a class statement gives to `command`, or None."""
    for node in statement.body if isinstance(statement, ast.ClassDef) else ():
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="command")], value=ast.Constant(value=str(command)))
                | ast.AnnAssign(target=ast.Name(id="command"), value=ast.Constant(value=str(command)))
            ):
                return command
    return None


def all_commands():
    """Dict of every command to its summary."""
    features = {name: summary for name, (_, summary) in kind_commands().items()}
    before, after = [], []
    for item in COMMANDS.items():
        (after if after or item[0] == "compute-cmvn" else before).append(item)
    return {**dict(before), **features, **dict(after)}


def load_command(name):
    """The module of a command, or what stands for it."""
    if name in COMMANDS or " " in name:
        return importlib.import_module("asrkit.cli.commands." + name.translate(str.maketrans("- ", "__")))
    from asrkit.cli.kind_command import KindCommand

    return KindCommand(kind_commands()[name][0])


# Commands that are several: `asrkit GROUP NAME` runs `asrkit/cli/commands/group_name.py`.
GROUPS = {
    "mixgop": {
        "import-alignment": "phones' times from Praat, MFA, Kaldi or a CTM file -> phones.ctm",
        "align": "recordings and their words -> phones.ctm, by pocketsphinx",
        "train": "one mixture a phone, trained on typical speech",
        "score": "how typical each phone is, and each word, utterance and speaker",
        "evaluate": "do the scores agree with human ratings?",
        "clusters": "what does each component of a phone's mixture stand for?",
        "plot": "pictures: phones under the spectrogram, speakers, components",
    },
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors name the nearest known flag."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    origins: Mapping[str, str] = {}  # of flags to the lines of conf files that give them

    def error(self, message):
        """One line, where argparse would print its whole usage before it."""
        flag = re.match(r"argument (--[\w-]+)", message)
        if flag and flag[1] in self.origins:
            message = f"{self.origins[flag[1]]}: {message}"
        self.exit(2, f"{self.prog}: error: {message} ({self.prog} --help explains)\n")

    def known_flags(self):
        return [flag for flag in self._option_string_actions if flag.startswith("--")]

    def flags(self):
        """Dict of the parameters that the options set to the options: how messages of the library are told."""
        return {
            action.dest: next(flag for flag in action.option_strings if flag.startswith("--")).removeprefix(
                "--"
            )
            for action in self._actions
            if any(flag.startswith("--") for flag in action.option_strings)
        }

    def boolean_flags(self):
        """Dict of the flags whose value may be left out to what they take beside booleans."""
        more = {boolean: (), boolean_or_auto: ("auto",)}
        return {
            flag: more[action.type]
            for flag, action in self._option_string_actions.items()
            if action.type in more
        }

    def parse_args(self, args=None, namespace=None):
        for word in args:
            if word.startswith("--") and word.endswith("=--"):  # of which argparse would make a list
                self.error(f"argument {word[:-3]}: invalid value: '--'")
        parsed, rest = self.parse_known_args(args, namespace)
        for word in rest:
            if word.startswith("-"):
                flag = word.split("=", 1)[0]
                self.error(f"unknown option {flag}{nearest(flag, self.known_flags())}")
        if rest:
            self.error(f"unexpected argument '{rest[0]}'")
        return parsed


def expand_configs(argv):
    """Replace every `--config FILE` by the file's lines, put first so that the command line wins.

    Returns
    -------
    argv : list of str
    origins : list of (str, str)
        Flag and `file:line` of every line, to be held against the flags that the command knows.
    """
    from_files, origins, rest = [], [], []
    words = iter(argv)
    for word in words:
        if word == "--config" or word.startswith("--config="):
            path = word.partition("=")[2] or next(words, None)
            if not path:
                raise UsageError("--config needs a file")
            for number, flag, value in read_conf(path):
                origins.append((flag, f"{path}:{number}"))
                from_files.append(flag if value is None else f"{flag}={value}")
        else:
            rest.append(word)
    return from_files + rest, origins


def check_origins(origins, parser):
    known = set(parser.known_flags()) - {"--config", "--help"}
    for flag, where in origins:
        if flag not in known:
            raise UsageError(f"{where}: unknown option {flag}{nearest(flag, known)}")


def spell_out_booleans(argv, parser):
    """`--flag` alone means `--flag=true`, and must not swallow the word after it, as in `--no-feats
    data/train`.
    """
    booleans = parser.boolean_flags()
    values = ("true", "false", "t", "f", "1", "0")
    after = [*argv[1:], ""]
    return [
        f"{w}=true" if w in booleans and n.lower() not in (*values, *booleans[w]) else w
        for w, n in zip(argv, after)
    ]


def build_parser(name, module, argv):
    parser = Parser(
        prog=f"asrkit {name}",
        description=module.__doc__,
        epilog=getattr(module, "EXAMPLE", None),
    )
    parser.add_argument("--config", metavar="FILE", help="read --key=value lines from FILE (may be repeated)")
    module.add_arguments(parser)
    if hasattr(module, "add_chosen_arguments"):  # options that depend on another option's value
        module.add_chosen_arguments(parser, argv)
    return parser


def run(name, argv):
    module = load_command(name)
    parser = Parser(prog=f"asrkit {name}")
    try:
        argv, origins = expand_configs(argv)
        parser = build_parser(name, module, argv)
        check_origins(origins, parser)
        parser.origins = dict(origins)
        argv = spell_out_booleans(argv, parser)
        args = parser.parse_args(argv)
        speak_flags(parser.flags())
        if name != "completion":  # whose output is sourced at the start of every shell
            print("#", shlex.join(["asrkit", *name.split(), *argv]), file=sys.stderr)
        if not gc.isenabled():  # see start.py
            gc.freeze()
            gc.enable()
        with raised(f"asrkit {name}"), one_thread(), progress(show_progress), cluster_of(args):
            return module.main(args)
    except (UsageError, SettingsError) as error:
        speak_flags(parser.flags())
        parser.error(in_words(str(error)))
    except AsrkitError as error:
        print(f"asrkit {name}: error: {in_words(str(error))}", file=sys.stderr)
    except BrokenPipeError:
        # The reader of our output left early (`asrkit ... | head`): not our failure, and nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"asrkit {name}: error: {where}{error.strerror or error}", file=sys.stderr)
    except MemoryError as error:
        print(f"asrkit {name}: error: {in_words(str(out_of_memory(error)))}", file=sys.stderr)
    except KeyboardInterrupt as stop:
        number = stop.args[0] if isinstance(stop, Stopped) else signal.SIGINT
        with contextlib.suppress(OSError):  # a terminal that is gone hears nothing
            print(told(number, f"asrkit {name}"), file=sys.stderr)
        return 128 + number
    return 1


class Formatter(logging.Formatter):
    """A record as one line, parameters written as options."""

    def format(self, record):
        return in_words(super().format(record))


def show_progress(results, total, label):
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return results
    from tqdm import tqdm  # late: slow to import

    return tqdm(results, total=total, desc=label, file=sys.stderr, leave=False)


def usage(group=""):
    commands = GROUPS[group] if group else all_commands()
    command, about = (f"{group} COMMAND", COMMANDS[group]) if group else ("COMMAND", ABOUT)
    width = max(map(len, commands))
    table = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in commands.items())
    return (
        f"usage: asrkit {command} [options]\n\n"
        f"{about}\n\n"
        f"{table}\n\n"
        f"asrkit {command} --help explains a command and gives an example.\n"
        "Options are --name value or --name=value; --config FILE reads them from a file.\n"
        "Exit status: 0 done, 1 the data or the work failed, 2 wrong usage.\n"
    )


def main(argv=None):
    if argv is None:  # we are the program: an install of before `start` calls us
        watch()
        argv = sys.argv[1:]
    argv = list(argv)
    for stream in (sys.stdout, sys.stderr):  # a word that the terminal's encoding can't hold is escaped
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if argv[:1] == ["--version"]:
        print(f"asrkit {__version__}")
        return 0
    if argv[:1] == ["help"]:  # `asrkit help train` is `asrkit train --help`
        argv = [*argv[1:], "--help"]
    group = argv.pop(0) if argv and argv[0] in GROUPS else ""
    if not argv or argv[0] in ("-h", "--help"):
        with contextlib.suppress(OSError):  # nobody there to read it
            print(usage(group), end="", flush=True)
        return 0 if argv else 2
    name, caller = argv[0], f"asrkit {group}".rstrip()
    # Those of the kinds are looked for in their files, which takes longer than many a command.
    known = GROUPS[group] if group else COMMANDS if name in COMMANDS else all_commands()
    if name not in known:
        print(
            f"{caller}: unknown command '{name}'{nearest(name, known)}; {caller} --help lists them",
            file=sys.stderr,
        )
        return 2
    load_one_thread()  # parallelism comes from --nj
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    return run(f"{group} {name}".lstrip(), argv[1:])
