"""The settings that a search tries: every combination of some values, checked as `train` checks them."""

import itertools
from dataclasses import dataclass, fields
from types import SimpleNamespace

from asrkit import families
from asrkit.config import flag_name, format_value, from_args, nearest, parse_value
from asrkit.errors import UsageError
from asrkit.features.frontend import TransformConfig
from asrkit.features.warp import WarpConfig
from asrkit.models.codebook import CodebookConfig
from asrkit.words.training import TrainConfig

SHARED = (TrainConfig, TransformConfig, WarpConfig)  # by all families
CODEBOOK = "codebook"


@dataclass(frozen=True)
class Candidate:
    """One combination.

    Attributes
    ----------
    tried : dict of str to value
        What is tried, by flag.
    values : dict of str to value
        All settings of the family's training, as the command line stores them.
    """

    family: str
    tried: dict
    values: dict

    @property
    def name(self):
        return (
            ", ".join(f"{flag} {format_value(value) or 'none'}" for flag, value in self.tried.items())
            or "the defaults"
        )

    def settings(self, *without):
        """Dict of flag to value of all settings but those of some dataclasses (or `CODEBOOK`)."""
        return {
            flag: self.values[dest]
            for flag, (dest, _, kind) in known_settings(self.family).items()
            if kind not in without
        }

    @property
    def differing(self):
        """What is not as the defaults are: it names the candidate whatever the grid."""
        known = known_settings(self.family)
        return {flag: value for flag, value in self.settings().items() if value != known[flag][1].default}

    @property
    def group(self):
        """Equal for those that are best trained together: they share a codebook, or the way from few
        Gaussians to many.
        """
        module = families.load(self.family)
        if module.OBSERVATIONS == "codes":
            return tuple(self.settings(module.Config).items())
        grows = hasattr(module.Config, "growth")
        return tuple(
            (flag, value) for flag, value in self.settings().items() if not (grows and flag == "num-gauss")
        )

    @property
    def cost(self):
        """About how long its training takes, in no unit."""
        cost = len(WarpConfig(self.values["warps"]).factors) * (1 + self.values["delta_order"])
        for name in ("num_states", "num_gauss", "codebook_size"):
            cost *= self.values.get(name, 1)
        return cost


def known_settings(family):
    """Dict of the flags that may be tried to (name in a Namespace, field, dataclass or `CODEBOOK`)."""
    module = families.load(family)
    known = {
        flag_name(field): (field.name, field, config)
        for config in (module.Config, *SHARED)
        for field in fields(config)
        if "help" in field.metadata
    }
    if module.OBSERVATIONS == "codes":
        known.update(
            {flag: (f"codebook_{field.name}", field, CODEBOOK) for flag, field in codebook_options().items()}
        )
    return known


def codebook_options():
    """Dict of the codebook's settings, by the names that they have beside those of `train`, to their fields."""
    return {
        f"codebook-{flag_name(field).removeprefix('codebook-')}": field for field in fields(CodebookConfig)
    }


def combinations(family, tries, given, fixed=(), has_cmvn=False):
    """Dict of name to Candidate.

    Parameters
    ----------
    tries : list of list of str
        A setting and its values each.
    given : object
        With an attribute for every setting, for what is not tried.
    fixed : collection of str
        Settings that the default grid must leave alone.

    Raises
    ------
    UsageError
        A setting that there is not, or a value that it can't have.
    """
    known = known_settings(family)
    grid = {flag: values for flag, values in default_grid(family, has_cmvn).items() if flag not in fixed}
    named = set()
    for words in tries:
        words = words[0].split() if len(words) == 1 else words  # a conf file has them as one
        flag, values = words[0].removeprefix("--") if words else "", words[1:]
        if flag not in known:
            raise UsageError(f"--try {flag}: no setting of {family} that can be tried{nearest(flag, known)}")
        if not values or flag in named:
            raise UsageError(f"--try {flag}: " + ("needs values" if not values else "stands there twice"))
        named.add(flag)
        try:
            grid[flag] = list(dict.fromkeys(parse_value(known[flag][1], value) for value in values))
        except ValueError as error:
            raise UsageError(f"--try {flag}: {error}") from None
    found = {}
    for combination in itertools.product(*grid.values()):
        tried = dict(zip(grid, combination))
        values = {dest: tried.get(flag, getattr(given, dest)) for flag, (dest, _, _) in known.items()}
        check(family, values)
        candidate = Candidate(family, tried, values)
        found[candidate.name] = candidate
    return found


def default_grid(family, has_cmvn):
    """A small grid of what any family may have: states, Gaussians or codebook, and something about the
    features.
    """
    module = families.load(family)
    own = {field.name: field.default for field in fields(module.Config)}
    grid = {"num-states": [8, 12, 16]} if "num_states" in own else {}
    if module.OBSERVATIONS == "codes":
        grid["codebook-size"] = [CodebookConfig.size // part for part in (4, 2, 1)]
    if "num_gauss" in own:
        grid["num-gauss"] = [max(1, own["num_gauss"] // part) for part in (4, 2, 1)]
    return {**grid, **({"cmvn": ["none", "speaker"]} if has_cmvn else {"delta-order": [1, 2]})}


def check(family, values):
    """Raise UsageError unless the dataclasses take the values."""
    given = SimpleNamespace(**values)
    for config in (families.load(family).Config, *SHARED):
        from_args(config, given)
    from_args(
        CodebookConfig,
        SimpleNamespace(
            **{
                name.removeprefix("codebook_"): value
                for name, value in values.items()
                if name.startswith("codebook_")
            }
        ),
    )
