"""Settings: frozen dataclasses whose fields know their help, choices and bounds, and Kaldi-style conf files.

A field made with `option()` is the parameter `field_name` in Python, and `--field-name` (or the name given in `flag`,
where Kaldi's name differs from ours) in conf files and on the command line, which `asrkit.cli.options` makes of it.
"""

import dataclasses
import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from asrkit.characters import BYTE_ORDER_MARK, CONTROL, unseen
from asrkit.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PathLike = str | os.PathLike
LARGE = 2**1000  # an int below has a float
INT = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(
    r"[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf(inity)?)", re.ASCII | re.IGNORECASE
)
LARGEST_INT = 2**63 - 1
# a scheme of one letter is a drive of Windows
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
ConfigT = TypeVar("ConfigT", bound="DataclassInstance")


def is_url(path: PathLike) -> bool:
    """Whether a path is a URL: `s3:` alone, or `s3:/x`, may be a folder.

    Examples
    --------
    >>> [is_url(path) for path in ("s3://bucket/feats.scp", "s3:/bucket", "./s3://bucket", "C://data")]
    [True, False, False, False]
    """
    text = os.fspath(path)
    return "://" in text and URL.match(text) is not None


def option(
    default: Any,
    help: str,
    *,
    flag: str | None = None,
    choices: Collection[str] | None = None,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    later: bool = False,
) -> Any:
    """A dataclass field that is also a command-line flag; the type is that of the default, the bounds are
    included. `later`: it came when model files had been written without it (`recorded`).
    """
    meta = {"help": help, "flag": flag, "choices": choices, "minimum": minimum, "maximum": maximum}
    meta["later"] = later
    return dataclasses.field(default=default, metadata=meta)


def recorded(config: "DataclassInstance") -> dict[str, Any]:
    """Give settings as a model file has them: one that came later only where it is not the default, so that what was trained before is the same bytes."""
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if not field.metadata.get("later") or getattr(config, field.name) != field.default
    }


def check_fields(config: "DataclassInstance") -> None:
    """Hold a dataclass against its options' types, choices and bounds, wherever its values came from.

    A numpy scalar becomes the Python value that it is, and an int a float where one is due: equal settings are equal bytes.

    Raises
    ------
    SettingsError
        Naming the parameter and what it may be.
    """
    for field in dataclasses.fields(config):
        given, meta = getattr(config, field.name), field.metadata
        value = given.item() if getattr(given, "ndim", None) == 0 else given
        wanted: type[Any] = type(field.default)
        if wanted is float and type(value) is int and abs(value) < LARGE:
            value = float(value)
        if type(value) is not wanted:
            raise SettingsError(f"{field.name}={shown(value)} is no {wanted.__name__}")
        if value is not given:
            object.__setattr__(config, field.name, value)  # it is frozen
        if meta["choices"] and value not in meta["choices"]:
            raise SettingsError(f"{field.name}={value} is none of {', '.join(meta['choices'])}")
        if wanted in (int, float):
            problem = out_of_bounds(value, meta["minimum"], meta["maximum"])
            if problem:
                raise SettingsError(f"{field.name}={shown(value)} {problem}")


def out_of_bounds(value: float, minimum: float, maximum: float) -> str | None:
    """What is wrong with a number, or None."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is not a finite number"
    if isinstance(value, int) and abs(value) > LARGEST_INT:
        return "has more than 64 bits"
    if value < minimum:
        return f"is less than {minimum:g}"
    if value > maximum:
        return f"is more than {maximum:g}"
    return None


def parse_bool(text: str) -> bool:
    """Kaldi's booleans: `true` and `false`; anything else is an error."""
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise SettingsError(f"invalid boolean '{text}' (true or false)")


def parse_int(text: str) -> int:
    """Read a whole number of the digits 0 to 9 that has 64 bits.

    Python's int() reads `1_000`, `٣` and numbers of thousands of digits, too, and `²` is a digit to str.isdigit().

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> parse_int(" -12")
    -12
    """
    if not INT.fullmatch(text.strip()):
        raise ValueError(f"'{shortened(text)}' is no whole number")
    digits = text.strip().lstrip("+-0")
    value = int(text) if len(digits) <= 19 else LARGEST_INT + 1
    if abs(value) > LARGEST_INT:
        raise ValueError(f"'{shortened(text)}' is beyond {LARGEST_INT}")
    return value


def parse_number(text: str) -> float:
    """Read a number of the digits 0 to 9, a point and an exponent, or nan or inf; likewise.

    Raises
    ------
    ValueError
        It is none.
    """
    if not NUMBER.fullmatch(text.strip()):
        raise ValueError(f"'{shortened(text)}' is no number")
    return float(text)


def parse_numbers(name: str, text: str, minimum: float, maximum: float) -> tuple[float, ...]:
    """Read numbers with commas between them, the value of the parameter `name`, each within bounds; '' holds none.

    Raises
    ------
    SettingsError
        One is no number, or out of bounds.

    Examples
    --------
    >>> parse_numbers("warps", "0.9,1.1", 0.5, 2.0)
    (0.9, 1.1)
    """
    numbers = []
    for word in text.split(",") if text else ():
        try:
            numbers.append(parse_number(word))
        except ValueError:
            raise SettingsError(f"{name}={shortened(text)}: '{shortened(word)}' is no number") from None
        problem = out_of_bounds(numbers[-1], minimum, maximum)
        if problem:
            raise SettingsError(f"{name}={shortened(text)}: {shortened(word)} {problem}")
    return tuple(numbers)


def parse_float(text: str) -> float:
    """Read a number as `parse_number` does, and refuse those that are not finite.

    Examples
    --------
    >>> parse_float("1e-3")
    0.001
    """
    value = parse_number(text)
    if not math.isfinite(value):
        raise ValueError(f"'{shortened(text)}' is not a finite number")
    return value


def shortened(text: str) -> str:
    """The two ends of a text that is too long for a message."""
    return text if len(text) <= 60 else f"{text[:40]}...{text[-10:]}"


def shown(value: object) -> str:
    """A setting's value in a message; Python refuses to write integers of thousands of digits."""
    if isinstance(value, int) and abs(value) >= LARGE:
        return f"a number of {value.bit_length()} bits"
    return shortened(str(value) if isinstance(value, (int, float)) else repr(value))


def flag_name(field: dataclasses.Field) -> str:
    return field.metadata.get("flag") or field.name.replace("_", "-")


def parse_value(field: dataclasses.Field, text: str) -> Any:
    """Turn the text of a conf file or command line into the value of an option.

    Raises
    ------
    SettingsError
        Without the field's name: the text is no such value, or not one that the option allows.
    """
    kind: type[Any] = type(field.default)
    meta = field.metadata
    if kind is bool:
        return parse_bool(text)
    try:
        value = {int: parse_int, float: parse_number}.get(kind, kind)(text)
    except ValueError:
        raise SettingsError(f"invalid {kind.__name__} value: '{shortened(text)}'") from None
    if meta["choices"] and value not in meta["choices"]:
        raise SettingsError(f"'{shortened(text)}' is none of {', '.join(meta['choices'])}")
    problem = out_of_bounds(value, meta["minimum"], meta["maximum"]) if kind in (int, float) else None
    if problem:
        raise SettingsError(f"{shortened(text)} {problem}")
    return value


def in_flags(text: str, flags: Mapping[str, str], between: str = "=") -> str:
    """Write parameters of a message, `name=value`, as options: `--flag=value`, or with a space `between`, as one types it.

    `flags` is dict of name to flag. `name=` with no value behind it keeps its sign: `--warps=` empties an option.
    """

    def option(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        return f"--{flags[name]}{between if value else '='}{value}" if name in flags else match[0]

    return re.sub(r"(?<![\w-])([a-z]\w*)=([^\s,;:)]?)", option, text)


def flags_of(config_class: type["DataclassInstance"]) -> dict[str, str]:
    """Dict of the parameters of a dataclass to their flags."""
    return {field.name: flag_name(field) for field in dataclasses.fields(config_class)}


def from_conf(config_class: type[ConfigT], path: PathLike, without: Collection[str] = ()) -> ConfigT:
    """Build the dataclass from a conf file; settings that it does not name have their defaults, and the lines
    of the flags `without` are passed over.

    Raises
    ------
    SettingsError
        The file can't be read, names a setting that does not exist, or gives one a value it can't have.
    """
    known = {f"--{flag_name(field)}": field for field in dataclasses.fields(config_class)}
    values = {}
    for number, flag, value in read_conf(path):
        if flag in without:
            continue
        if flag not in known:
            raise SettingsError(f"{path}:{number}: unknown setting {flag}{nearest(flag, known)}")
        try:
            values[known[flag].name] = parse_value(known[flag], "true" if value is None else value)
        except SettingsError as error:
            raise SettingsError(f"{path}:{number}: {flag}: {error}") from None
    try:
        return config_class(**values)
    except SettingsError as error:
        raise SettingsError(f"{path}: {in_flags(str(error), flags_of(config_class))}") from None


def from_dict(config_class: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
    """Build the dataclass from a dict that may lack fields (defaults) but may not have unknown ones."""
    known = {f.name for f in dataclasses.fields(config_class)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise SettingsError(f"unknown setting '{unknown[0]}'{nearest(unknown[0], known)}")
    return config_class(**values)


def format_value(value: object) -> str:
    """A value as it stands in a conf file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def format_conf(config: "DataclassInstance") -> str:
    """The dataclass as the text of a Kaldi-style conf file, every setting written out."""
    return "".join(
        f"--{flag_name(f)}={format_value(getattr(config, f.name))}\n" for f in dataclasses.fields(config)
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` for the known name that is near to `name`, or nothing where none is near."""
    known = list(known)
    import difflib  # late: needed where a name is wrong

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    bare = name.strip("-")
    holding = [other for other in known if len(bare) >= 4 and bare in other]
    found = close or (holding if len(holding) == 1 else [])
    return f" (did you mean {found[0]}?)" if found else ""


def read_conf(path: PathLike) -> list[tuple[int, str, str | None]]:
    """Read `--key=value` lines; `#` starts a comment.

    Returns
    -------
    list of (int, str, str or None)
        Line number, flag with its dashes, value (None where the line has no `=`).
    """
    path = path if hasattr(path, "read_text") else Path(path)  # io may give one far away
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # not UTF-8, or a NUL in the path
        raise SettingsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removeprefix(BYTE_ORDER_MARK)
        sign = unseen(line, CONTROL)
        if sign:
            raise SettingsError(f"{path}:{number}: holds {sign}, no text (write the line anew)")
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        if not line.startswith("--"):
            raise SettingsError(f"{path}:{number}: '{shortened(line)}' is not of the form --key=value")
        key, equals, value = line.partition("=")
        lines.append((number, key.strip(), value.strip() if equals else None))
    return lines
