"""The options of a training: `train`, `crossval`, `learning-curve` and `tune` take the same."""

from dataclasses import fields

from asrkit import families
from asrkit.cli.options import add_field, add_options, tell_default
from asrkit.config import flag_name, format_value
from asrkit.features.projection import ProjectionConfig
from asrkit.features.transform import TransformConfig
from asrkit.features.warp import WarpConfig
from asrkit.io.features import ReadConfig
from asrkit.words.settings import TrainingSettings, fields_of, flags_of, ruled_values
from asrkit.words.training import TrainConfig


def add_arguments(parser):
    """What decides about the models; the family's own options depend on --family."""
    parser.add_argument("--family", required=True, choices=families.names(), help="kind of model")
    add_options(parser, ReadConfig)
    add_options(parser, TrainConfig, "training")
    add_options(parser, TransformConfig, "features")
    add_options(parser, ProjectionConfig, "features")
    add_options(parser, WarpConfig, "features")


def add_chosen_arguments(parser, argv):
    """The options of the family that the command line names; without one, --help says how to see them."""
    remember_named(parser, argv)
    family = chosen_family(argv)
    if family:
        add_options(parser, families.load(family).Config, family)
        tell_rules(parser, family)
    else:
        parser.epilog += "\noptions of a family: asrkit train --family NAME --help"


def add_chosen_and_codebook(parser, argv):
    """The same with those of the codebook, under names of their own: `train` has a --method, too."""
    add_chosen_arguments(parser, argv)
    family = chosen_family(argv)
    if family and families.load(family).has_codes:
        group = parser.add_argument_group("codebook")
        known = fields_of(family)
        for flag, name in flags_of(family).items():
            if known[name][0] == "codebook":
                add_field(group, known[name][1], flag, name)
        tell_rules(parser, family)


def add_codebook_rules(parser, argv):
    """What `train-codebook` has to know of its command line, and says of its options."""
    remember_named(parser, argv)
    dests = {name: dest for dest, (_, name) in codebook_options().items()}
    for name, values in ruled_values(family_with_codes()).items():
        if name in dests:
            tell_default(parser, dests[name], by_the_data(values))


def all_flags():
    """Dict of the settings of all families, and of what is read, to their flags: for who speaks of several commands."""
    known = {name: flag for family in families.names() for flag, name in flags_of(family).items()}
    return {**known, **{field.name: flag_name(field) for field in fields(ReadConfig)}}


def remember_named(parser, argv):
    """Keep what the command line, or a conf file, names: that was asked for, though it be the default."""
    parser.set_defaults(
        named=[word.partition("=")[0].removeprefix("--") for word in argv if word.startswith("--")]
    )


def tell_rules(parser, family):
    """Say of options whose defaults follow the data what these may be."""
    for name, values in ruled_values(family).items():
        tell_default(parser, name, by_the_data(values))


def by_the_data(values):
    """`by the data: 1 to 8`."""
    shown = [format_value(value) or "none" for value in values]
    return "by the data: " + (f"{shown[0]} to {shown[-1]}" if len(shown) > 3 else ", ".join(shown))


def family_with_codes():
    """The family whose models see the codes of a codebook."""
    return next(name for name in families.names() if families.load(name).has_codes)


def codebook_options():
    """Dict of the parameters that the options of `train-codebook` set to (flag, name among the settings of a training)."""
    known = fields_of(family_with_codes())
    parts = ("codebook", "transform", "projection", "warp")
    own = {field.name: (flag_name(field), name) for name, (part, field) in known.items() if part in parts}
    return {**own, "seed": ("seed", "seed")}


def chosen_family(argv):
    """The family that the command line names, or None."""
    chosen = [b for a, b in zip(argv, argv[1:]) if a == "--family"] + [
        word.partition("=")[2] for word in argv if word.startswith("--family=")
    ]
    return chosen[-1] if chosen and chosen[-1] in families.names() else None


def settings(args):
    """The TrainingSettings that were parsed; a codebook's are the defaults where the command has no options for them."""
    given, flags = vars(args), flags_of(args.family)
    values = {name: given[name] for name in fields_of(args.family) if name in given}
    asked = {flags[flag] for flag in args.named if flag in flags}
    return TrainingSettings.of(args.family, asked=asked, **values)


def codebook_settings(args):
    """The TrainingSettings that the options of `train-codebook` make."""
    given, options = vars(args), codebook_options()
    values = {name: given[dest] for dest, (_, name) in options.items()}
    asked = {name for flag, name in options.values() if flag in args.named}
    return TrainingSettings.of(family_with_codes(), asked=asked, **values)
