"""Settings on the command line: the fields of a dataclass as flags of an argparse parser, and back."""

import argparse
import contextlib
import dataclasses
import math

from asrkit.config import flag_name, option, parse_int, parse_number, parse_value, shortened
from asrkit.engines.cluster import DASK, LOCAL, ClusterConfig, cluster
from asrkit.errors import SettingsError


def boolean(text):
    """Kaldi's booleans, as an argparse type."""
    return _parse(_field(False), text)


def boolean_or_auto(text):
    """None for `auto`, else a boolean, as an argparse type."""
    return None if text == "auto" else boolean(text)


def whole(text):
    """A whole number, as an argparse type; int() would take `1_000` and other scripts' digits, too."""
    try:
        return parse_int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def numbers(text):
    """Numbers with commas between, as an argparse type; none for an empty text."""
    try:
        return [parse_number(word) for word in text.split(",")] if text else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"not numbers with commas between: '{shortened(text)}'") from None


def add_flag(parser, name, default, help, choices=None, dest=None, minimum=-math.inf, maximum=math.inf):
    """Add `--name`; booleans take `true` or `false`; the command line may leave `true` out."""
    field = _field(default, choices, minimum, maximum)

    def value(text):
        return _parse(field, text)

    extra = {"dest": dest} if dest else {}
    shown = str(default).lower() if isinstance(default, bool) else default
    if isinstance(default, bool):
        kind, metavar = boolean, "true|false"
    else:
        kind = value
        metavar = "|".join(choices) if choices else {int: "N", float: "X"}.get(type(default), "TEXT")
    parser.add_argument(
        f"--{name}",
        type=kind,
        default=default,
        choices=choices,
        metavar=metavar,
        help=f"{help} (default: {shown})".replace("%", "%%"),
        **extra,
    )


def add_auto(parser, name, help):
    """Add `--name auto|true|false`, None, True and False; the command line may leave `true` out."""
    parser.add_argument(
        f"--{name}",
        type=boolean_or_auto,
        default=None,
        metavar="auto|true|false",
        help=f"{help} (default: auto)",
    )


def _field(default, choices=None, minimum=-math.inf, maximum=math.inf):
    return option(default, "", choices=choices, minimum=minimum, maximum=maximum)


def _parse(field, text):
    try:
        return parse_value(field, text)
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_options(parser, config_class, title=None):
    """Add one flag a field of the dataclass `config_class` to `parser`."""
    group = parser.add_argument_group(title) if title else parser
    for field in dataclasses.fields(config_class):
        if "help" in field.metadata:
            add_field(group, field)


def add_field(parser, field, name=None, dest=None):
    """Add the flag of one field of a dataclass, under its own name unless another is given."""
    meta = field.metadata
    add_flag(
        parser,
        name or flag_name(field),
        field.default,
        meta["help"],
        meta["choices"],
        dest=dest or field.name,
        minimum=meta["minimum"],
        maximum=meta["maximum"],
    )


def tell_default(parser, dest, text):
    """Say of the options of a parameter what stands for their default; a parser that has none of them stays as it is."""
    for action in parser._actions:
        if action.dest == dest:
            action.help = action.help.rpartition(" (default: ")[0] + f" (default: {text})".replace("%", "%%")


def add_method(parser):
    """Add `--method`, as the commands have it that hear words."""
    add_flag(
        parser,
        "method",
        "viterbi",
        "score of a word: its best path, or the sum over all",
        choices=("viterbi", "forward"),
    )


def add_frame_shift(parser):
    """Add `--frame-shift`, as the commands have it that read features beside an alignment."""
    add_flag(
        parser,
        "frame-shift",
        0.0,
        "seconds from frame to frame; 0: as DIR says (frontend.conf, frame_shift), else 0.01 where the alignment fits that",
        dest="frame_shift_s",
        minimum=0,
        maximum=1,
    )


def add_cluster(parser):
    """Add `--backend` and `--scheduler`, as the commands have them whose work other machines may do."""
    add_options(parser, ClusterConfig)


def cluster_of(args):
    """The block that a command's work runs in: where `--backend` says, of which other machines must see all local paths among the arguments."""
    config = from_args(ClusterConfig, args)
    if config.backend != DASK:
        return contextlib.nullcontext()
    from asrkit.io.places import RemotePath, as_path, exists  # late: few commands need it

    given = vars(args)
    texts = [text for name, text in given.items() if text and isinstance(text, str) and name != "scheduler"]
    paths = map(as_path, texts)
    shared = [path for path in paths if not isinstance(path, RemotePath) and exists(path)]
    return cluster(config.scheduler or LOCAL, jobs=given.get("nj", 1), shared=shared)


def from_args(config_class, args):
    """Build the dataclass from parsed arguments; what its `__post_init__` refuses is a SettingsError."""
    given = vars(args)
    return config_class(
        **{f.name: given[f.name] for f in dataclasses.fields(config_class) if f.name in given}
    )
