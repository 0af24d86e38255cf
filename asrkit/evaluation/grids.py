"""The settings that a search tries: every combination of some values, checked as a training checks them."""

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from asrkit import families
from asrkit.config import format_value, nearest, parse_value
from asrkit.errors import SettingsError
from asrkit.families.base import DataFacts
from asrkit.words.settings import TrainingSettings, fields_of, flags_of


@dataclass(frozen=True)
class Candidate:
    """One combination.

    Attributes
    ----------
    tried : dict of str to value
        What is tried, by flag.
    settings : TrainingSettings
    """

    tried: dict
    settings: TrainingSettings

    @property
    def name(self) -> str:
        said = (f"{flag} {format_value(value) or 'none'}" for flag, value in self.tried.items())
        return ", ".join(said) or "the defaults"

    def values(self, *parts: str) -> dict:
        """Dict of flag to value of the settings of some parts of TrainingSettings; of all by default."""
        values, known = self.settings.values(), fields_of(self.settings.family)
        return {
            flag: values[name]
            for flag, name in flags_of(self.settings.family).items()
            if not parts or known[name][0] in parts
        }

    @property
    def differing(self) -> dict:
        """What is not as the defaults are, those by the data where these have chosen: it names the candidate whatever the grid."""
        plain = TrainingSettings.of(self.settings.family)
        facts = self.settings.facts
        defaults = Candidate({}, plain if facts is None else plain.for_data(facts)).values()
        return {flag: value for flag, value in self.values().items() if value != defaults[flag]}

    @property
    def group(self) -> tuple:
        """Equal for those that are best trained together: they share a codebook, or the way from few
        Gaussians to many.
        """
        family = families.load(self.settings.family)
        if family.has_codes:
            return tuple(self.values("training", "transform", "projection", "warp", "codebook").items())
        return tuple(
            (flag, value)
            for flag, value in self.values().items()
            if not (family.grows and flag == "num-gauss")
        )

    @property
    def cost(self) -> float:
        """About how long its training takes, in no unit."""
        values = self.settings.values()
        cost = (
            len(self.settings.warp.factors)
            * len(self.settings.warp.memories)
            * (1 + self.settings.transform.delta_order)
        )
        for name in ("num_states", "num_gauss", "codebook_size"):
            cost *= values.get(name, 1)
        return cost


def combinations(
    base: TrainingSettings,
    facts: DataFacts,
    tries: list[list[str]],
    fixed: Collection[str] = (),
    has_cmvn: bool = False,
) -> dict[str, Candidate]:
    """Make every combination of the values that are to be tried.

    Parameters
    ----------
    base : TrainingSettings
        For what is not tried.
    facts : DataFacts
        The data: by them the family's own grid lies about its own defaults.
    tries : list of list of str
        A setting's flag and its values each.
    fixed : collection of str
        Flags that the default grid must leave alone.
    has_cmvn : bool
        Whether there are statistics of speakers, so that normalisation by them may be tried.

    Returns
    -------
    dict of str to Candidate
        By name.

    Raises
    ------
    SettingsError
        A setting that there is not, or a value that it can't have.
    """
    family, flags, known = base.family, flags_of(base.family), fields_of(base.family)
    own_grid = default_grid(base.for_data(facts), has_cmvn)
    grid = {flag: values for flag, values in own_grid.items() if flag not in fixed}
    named = set()
    for words in tries:
        words = words[0].split() if len(words) == 1 else words  # a conf file has them as one
        flag, values = words[0].removeprefix("--") if words else "", words[1:]
        if flag not in flags:
            raise SettingsError(
                f"tries={flag}: no setting of {family} that can be tried{nearest(flag, flags)}"
            )
        if not values or flag in named:
            raise SettingsError(f"tries={flag}: " + ("needs values" if not values else "stands there twice"))
        named.add(flag)
        try:
            own = known[flags[flag]][1]
            grid[flag] = list(dict.fromkeys(parse_value(own, value) for value in values))
        except SettingsError as error:
            raise SettingsError(f"tries={flag}: {error}") from None
    asked = base.asked | {flags[flag] for flag in named}
    if "num_symbols" in asked and "codebook-size" not in named:  # which is the same thing
        grid.pop("codebook-size", None)
    found = {}
    for combination in itertools.product(*grid.values()):
        tried = dict(zip(grid, combination, strict=True))
        values = {**base.values(), **{flags[flag]: value for flag, value in tried.items()}}
        settings = TrainingSettings.of(family, asked=asked, **values)
        candidate = Candidate(tried, replace(settings, tried=frozenset(flags[flag] for flag in tried)))
        found[candidate.name] = candidate
    return found


def default_grid(settings: TrainingSettings, has_cmvn: bool) -> dict:
    """A small grid of what any family may have: states, Gaussians or codebook, and something about the
    features.
    """
    family, defaults = families.load(settings.family), settings.values()
    grid = {"num-states": [8, 12, 16]} if family.has_states else {}
    if family.has_codes:
        grid["codebook-size"] = unique(settings.codebook.size // part for part in (4, 2, 1))
    if family.has_gaussians:
        grid["num-gauss"] = unique(defaults["num_gauss"] // part for part in (4, 2, 1))
    return {**grid, **({"cmvn": ["none", "speaker"]} if has_cmvn else {"delta-order": [1, 2]})}


def unique(numbers: Iterable[int]) -> list[int]:
    """Each once, those below 1 as 1."""
    return list(dict.fromkeys(max(1, number) for number in numbers))
