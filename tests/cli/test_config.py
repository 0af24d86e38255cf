"""Settings: every dataclass, its flags and its conf file say the same."""

import argparse
import dataclasses
import importlib
import inspect
import pkgutil

import pytest

import asrkit
from asrkit.cli import main as cli
from asrkit.cli.options import add_options, boolean, from_args
from asrkit.config import (
    flag_name,
    format_conf,
    format_value,
    from_dict,
    nearest,
    parse_bool,
    read_conf,
)
from asrkit.errors import AsrkitError, SettingsError
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.features.transform import TransformConfig


def config_classes():
    """Every dataclass of the package with fields that are options: name -> class."""
    found = {}
    for module in pkgutil.walk_packages(asrkit.__path__, "asrkit."):
        if module.name == "asrkit.__main__":
            continue
        for held in vars(importlib.import_module(module.name)).values():
            if inspect.isabstract(held):
                continue
            if isinstance(held, type) and dataclasses.is_dataclass(held) and held.__module__ == module.name:
                if any("help" in field.metadata for field in dataclasses.fields(held)):
                    found[f"{module.name.removeprefix('asrkit.')}.{held.__name__}"] = held
    return found


CLASSES = config_classes()
FIELDS = {
    f"{name}.{field.name}": (owner, field)
    for name, owner in CLASSES.items()
    for field in dataclasses.fields(owner)
}


WITH = {"scheduler": {"backend": "dask"}}  # what a setting does not go without


def other_value(owner, field):
    """A value of the field that is neither its default nor refused, all else as it is."""
    default, choices = field.default, field.metadata["choices"]
    if isinstance(default, bool):
        candidates = [not default]
    elif choices:
        candidates = [choice for choice in choices if choice != default]
    elif isinstance(default, str):
        candidates = ["other", "weights", "0.9"]
    else:
        candidates = [
            type(default)(value)
            for value in (2 * default, default / 2, default + 1, default - 1, 8000, default + 0.1)
        ]
    for value in candidates:
        try:
            if value != default:
                owner(**{field.name: value, **WITH.get(field.name, {})})
                return value
        except ValueError:
            continue
    raise AssertionError(f"no other value of {field.name} is possible")


def parsed(owner, words):
    parser = cli.Parser(prog="x", add_help=False)
    add_options(parser, owner)
    words, origins = cli.expand_configs(words)
    cli.check_origins(origins, parser)
    return from_args(owner, parser.parse_args(cli.spell_out_booleans(words, parser)))


def test_all_settings_are_looked_at():
    expected = {
        "MfccConfig",
        "TransformConfig",
        "EndpointConfig",
        "CodebookConfig",
        "TrainConfig",
        "ReadConfig",
        "Config",
        "Checks",
    }
    assert expected <= {owner.__name__ for owner in CLASSES.values()}
    assert {f"families.{name}.Config" for name in ("gmm", "dhmm", "chmm")} <= set(CLASSES)


@pytest.mark.parametrize("owner", CLASSES.values(), ids=CLASSES)
def test_defaults(owner, tmp_path):
    assert dataclasses.fields(owner)[0].name and owner.__dataclass_params__.frozen
    assert (
        parsed(owner, []) == owner() == from_dict(owner, {}) == from_dict(owner, dataclasses.asdict(owner()))
    )
    (tmp_path / "x.conf").write_text(format_conf(owner()))
    assert parsed(owner, ["--config", str(tmp_path / "x.conf")]) == owner()
    assert len(read_conf(tmp_path / "x.conf")) == len(dataclasses.fields(owner))


@pytest.mark.parametrize(("owner", "field"), FIELDS.values(), ids=FIELDS)
def test_a_setting_survives_flags_and_conf_files(owner, field, tmp_path):
    value = other_value(owner, field)
    others = WITH.get(field.name, {})
    config, more = owner(**{field.name: value, **others}), [f"--{name}={own}" for name, own in others.items()]
    flag, text = f"--{flag_name(field)}", format_value(value)
    assert parsed(owner, [flag, text, *more]) == parsed(owner, [f"{flag}={text}", *more]) == config != owner()
    (tmp_path / "x.conf").write_text(format_conf(config))
    assert f"{flag}={text}\n" in (tmp_path / "x.conf").read_text()
    assert parsed(owner, [f"--config={tmp_path}/x.conf"]) == config
    back = parsed(owner, ["--config", f"{tmp_path}/x.conf", f"{flag}={format_value(field.default)}"])
    assert back == owner(**others)
    assert type(getattr(parsed(owner, [flag, text, *more]), field.name)) is type(field.default)
    assert field.metadata["help"]


@pytest.mark.parametrize("text", ["true", "True", "t", "T", "1"])
def test_true(text):
    assert parse_bool(text) is True


@pytest.mark.parametrize("text", ["false", "FALSE", "f", "0"])
def test_false(text):
    assert parse_bool(text) is False


@pytest.mark.parametrize("text", ["", "yes", "no", "2", "tru"])
def test_no_boolean(text):
    with pytest.raises(SettingsError, match="invalid boolean"):
        parse_bool(text)
    with pytest.raises(argparse.ArgumentTypeError, match="invalid boolean"):
        boolean(text)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["--norm-vars"], {"norm_vars": True}),
        (["--norm-vars", "false"], {"norm_vars": False}),
        (["--norm-vars=true", "--cmn-center", "false"], {"norm_vars": True, "cmn_center": False}),
        (["--norm-vars", "--cmn-center=f"], {"norm_vars": True, "cmn_center": False}),
        (["--cmn-window", "5", "--cmn-window=7"], {"cmn_window": 7}),
    ],
)
def test_words_of_the_command_line(words, values):
    assert parsed(TransformConfig, words) == TransformConfig(**values)


def test_conf_file_lines(tmp_path):
    path = tmp_path / "x.conf"
    path.write_text(
        "# all of it\n\n  --num-ceps = 12  # fewer\r\n--snip-edges=false\n--use-energy\n--low-freq=\n"
    )
    assert read_conf(path) == [
        (3, "--num-ceps", "12"), (4, "--snip-edges", "false"), (5, "--use-energy", None), (6, "--low-freq", ""),
    ]  # fmt: skip
    path.write_text("--num-ceps=12 # fewer\n--snip-edges=false\n--use-energy\n")
    assert parsed(MfccConfig, [f"--config={path}"]) == MfccConfig(num_ceps=12, snip_edges=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"--num-ceps=12\nnum-ceps=12\n", "x.conf:2: 'num-ceps=12' is not of the form --key=value"),
        (b"\n\n--num-cep=12\n", r"x.conf:3: unknown option --num-cep \(did you mean --num-ceps\?\)"),
        (b"--config=other\n", "x.conf:1: unknown option --config"),
        (b"\xff\xfe\n", "x.conf: cannot be read: .*utf-8"),
        (None, "x.conf: cannot be read: No such file"),
    ],
)
def test_refused_conf_files(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.conf").write_bytes(content)
    with pytest.raises(AsrkitError, match=message):
        parsed(MfccConfig, ["--config", f"{tmp_path}/x.conf"])


def test_files_in_their_order_then_the_command_line(tmp_path):
    (tmp_path / "a.conf").write_text("--num-ceps=5\n--low-freq=50\n--high-freq=3000\n")
    (tmp_path / "b.conf").write_text("--low-freq=60\n--high-freq=3500\n")
    words = ["--high-freq=3700", "--config", f"{tmp_path}/a.conf", f"--config={tmp_path}/b.conf"]
    assert parsed(MfccConfig, words) == MfccConfig(num_ceps=5, low_hz=60.0, high_hz=3700.0)


def test_refused_values_are_wrong_usage():
    with pytest.raises(SettingsError, match="num_ceps=24"):
        parsed(MfccConfig, ["--num-ceps=24"])


def test_unknown_settings_of_a_dict():
    with pytest.raises(ValueError, match=r"unknown setting 'num_cep' \(did you mean num_ceps\?\)"):
        from_dict(MfccConfig, {"num_cep": 3})


def test_nearest():
    assert nearest("--nun-ceps", ["--num-ceps", "--low-freq"]) == " (did you mean --num-ceps?)"
    assert nearest("zebra", ["--num-ceps", "--low-freq"]) == ""
