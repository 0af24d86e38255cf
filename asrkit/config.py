"""Settings: one frozen dataclass <-> command-line flags <-> Kaldi-style conf files.

A field made with `option()` becomes the flag `--field-name` (or the name given in `flag`, where Kaldi's
name differs from ours); `add_options` puts a dataclass on a parser and `from_args` reads it back.
"""

import argparse
import dataclasses
import difflib
import math
from pathlib import Path

from asrkit.errors import UsageError


def option(default, help, *, flag=None, choices=None, minimum=-math.inf, maximum=math.inf):
    """A dataclass field that is also a command-line flag; the type is that of the default, the bounds are
    included.
    """
    meta = {"help": help, "flag": flag, "choices": choices, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, metadata=meta)


def check_fields(config):
    """Hold a dataclass against its options' types, choices and bounds, wherever its values came from.

    Raises
    ------
    ValueError
        Naming the flag and what it may be.
    """
    for field in dataclasses.fields(config):
        value, meta = getattr(config, field.name), field.metadata
        wanted = type(field.default)
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise ValueError(f"--{flag_name(field)}={value!r} is no {wanted.__name__}")
        if meta["choices"] and value not in meta["choices"]:
            raise ValueError(f"--{flag_name(field)}={value} is none of {', '.join(meta['choices'])}")
        if wanted in (int, float):
            problem = out_of_bounds(value, meta["minimum"], meta["maximum"])
            if problem:
                raise ValueError(f"--{flag_name(field)}={value} {problem}")


def out_of_bounds(value, minimum, maximum):
    """What is wrong with a number, or None."""
    if not math.isfinite(value):
        return "is not a finite number"
    if value < minimum:
        return f"is less than {minimum:g}"
    if value > maximum:
        return f"is more than {maximum:g}"
    return None


def parse_bool(text):
    """Kaldi's booleans: `true` and `false`; anything else is an error."""
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise argparse.ArgumentTypeError(f"invalid boolean '{text}' (true or false)")


def flag_name(field):
    return field.metadata.get("flag") or field.name.replace("_", "-")


def add_flag(parser, name, default, help, choices=None, dest=None, minimum=-math.inf, maximum=math.inf):
    """Add `--name`; booleans take `true` or `false`; the command line may leave `true` out."""

    def number(text):
        value = type(default)(text)
        problem = out_of_bounds(value, minimum, maximum)
        if problem:
            raise argparse.ArgumentTypeError(f"{text} {problem}")
        return value

    number.__name__ = type(default).__name__  # for argparse's own "invalid int value"
    extra = {"dest": dest} if dest else {}
    if isinstance(default, bool):
        parser.add_argument(
            f"--{name}",
            type=parse_bool,
            default=default,
            metavar="true|false",
            help=f"{help} (default: {str(default).lower()})",
            **extra,
        )
    else:
        metavar = "|".join(choices) if choices else {int: "N", float: "X"}.get(type(default), "TEXT")
        parser.add_argument(
            f"--{name}",
            type=number if isinstance(default, (int, float)) else str,
            default=default,
            choices=choices,
            metavar=metavar,
            help=f"{help} (default: {default})".replace("%", "%%"),
            **extra,
        )


def add_options(parser, config_class, title=None):
    """Add one flag a field of the dataclass `config_class` to `parser`."""
    group = parser.add_argument_group(title) if title else parser
    for field in dataclasses.fields(config_class):
        meta = field.metadata
        if "help" in meta:
            bounds = {"minimum": meta["minimum"], "maximum": meta["maximum"]}
            add_flag(
                group,
                flag_name(field),
                field.default,
                meta["help"],
                meta["choices"],
                dest=field.name,
                **bounds,
            )


def parse_value(field, text):
    """What the command line would make of `text` as the value of an option, or a ValueError."""
    meta, parser = (
        field.metadata,
        argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False, add_help=False),
    )
    bounds = {"minimum": meta["minimum"], "maximum": meta["maximum"]}
    add_flag(parser, "value", field.default, meta["help"], meta["choices"], **bounds)
    try:
        return parser.parse_args([f"--value={text}"]).value
    except argparse.ArgumentError as error:
        raise ValueError(error.message) from None


def from_args(config_class, args):
    """Build the dataclass from parsed arguments; a value its `__post_init__` refuses is wrong usage."""
    names = [f.name for f in dataclasses.fields(config_class) if hasattr(args, f.name)]
    try:
        return config_class(**{name: getattr(args, name) for name in names})
    except ValueError as error:
        raise UsageError(str(error)) from None


def from_conf(config_class, path):
    """Build the dataclass from a conf file; settings that it does not name have their defaults.

    Raises
    ------
    UsageError
        The file can't be read, names a setting that does not exist, or gives one a value it can't have.
    """
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False, add_help=False)
    add_options(parser, config_class)
    known = {f"--{flag_name(field)}" for field in dataclasses.fields(config_class)}
    words = []
    for number, flag, value in read_conf(path):
        if flag not in known:
            raise UsageError(f"{path}:{number}: unknown setting {flag}{nearest(flag, known)}")
        words.append(flag if value is None else f"{flag}={value}")
    try:
        return from_args(config_class, parser.parse_args(words))
    except (UsageError, argparse.ArgumentError) as error:
        raise UsageError(f"{path}: {error}") from None


def from_dict(config_class, values):
    """Build the dataclass from a dict that may lack fields (defaults) but may not have unknown ones."""
    known = {f.name for f in dataclasses.fields(config_class)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown setting '{unknown[0]}'{nearest(unknown[0], known)}")
    return config_class(**values)


def format_value(value):
    """A value as it stands in a conf file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def format_conf(config):
    """The dataclass as the text of a Kaldi-style conf file, every setting written out."""
    return "".join(
        f"--{flag_name(f)}={format_value(getattr(config, f.name))}\n" for f in dataclasses.fields(config)
    )


def nearest(name, known):
    """` (did you mean X?)` for the known name closest to `name`, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def read_conf(path):
    """Read `--key=value` lines; `#` starts a comment.

    Returns
    -------
    list of (int, str, str or None)
        Line number, flag with its dashes, value (None where the line has no `=`).
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--config {path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        if not line.startswith("--"):
            raise UsageError(f"{path}:{number}: '{line}' is not of the form --key=value")
        key, equals, value = line.partition("=")
        lines.append((number, key.strip(), value.strip() if equals else None))
    return lines
