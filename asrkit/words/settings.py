"""All settings of a training as one object: the family's own, and those that every family has."""

from collections.abc import Collection
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from asrkit import families
from asrkit.config import flag_name, format_value, nearest
from asrkit.errors import SettingsError
from asrkit.families.base import DataFacts
from asrkit.features.projection import ProjectionConfig
from asrkit.features.transform import TransformConfig
from asrkit.features.warp import WarpConfig
from asrkit.models.codebook import CodebookConfig
from asrkit.words.training import STEPWISE, TrainConfig

CODEBOOK = "codebook_"  # what the names of a codebook's settings begin with beside those of the training
CODEBOOK_SIZE = f"{CODEBOOK}size"


@dataclass(frozen=True)
class TrainingSettings:
    """What decides about the models of a vocabulary, besides the data.

    Attributes
    ----------
    family : str
        A name of `asrkit.families`.
    model : Config
        The family's own settings.
    training : TrainConfig
    transform : TransformConfig
        Normalisation and deltas between stored features and the models.
    projection : ProjectionConfig
        What comes after them.
    warp : WarpConfig
    codebook : CodebookConfig
        Of families whose observations are codes; its size is `num_symbols`, where that was asked for.
    asked : frozenset of str
        Names of the settings that somebody chose, whatever they are by default.
    tried : frozenset of str
        Names of those that a search chose.
    facts : DataFacts or None
        The data whose rules have chosen the others (`for_data`); None: no rule has been asked.
    ruled : tuple of str
        Names of the settings that they chose.
    """

    family: str
    model: Any
    training: TrainConfig = field(default_factory=TrainConfig)
    transform: TransformConfig = field(default_factory=TransformConfig)
    projection: ProjectionConfig = field(default_factory=ProjectionConfig)
    warp: WarpConfig = field(default_factory=WarpConfig)
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    asked: frozenset[str] = field(default=frozenset(), compare=False)
    tried: frozenset[str] = field(default=frozenset(), compare=False)
    facts: DataFacts | None = field(default=None, compare=False)
    ruled: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.training.method == STEPWISE and not families.load(self.family).adds_up:
            raise SettingsError(
                f"method=stepwise: the training of a {self.family} is no sum over utterances (leave method out)"
            )
        if not self.asks_symbols:
            return
        sizes = (self.model.num_symbols, *([] if CODEBOOK_SIZE in self.asked else [CodebookConfig.size]))
        if self.codebook.size not in sizes:
            raise SettingsError(
                f"num_symbols={self.model.num_symbols} and codebook_size={self.codebook.size} are the same thing (leave one out)"
            )
        object.__setattr__(self, "codebook", replace(self.codebook, size=self.model.num_symbols))

    @property
    def asks_symbols(self) -> bool:
        """Whether the number of symbols was chosen."""
        family = families.load(self.family)
        return family.has_codes and (
            "num_symbols" in self.asked or self.model.num_symbols != family.Config.num_symbols
        )

    @property
    def chosen(self) -> frozenset[str]:
        """Names of the settings that no rule of the data may change: asked for, tried, or not as they are by default."""
        known, values = fields_of(self.family), self.values()
        differing = {name for name, (_, own) in known.items() if values[name] != own.default}
        size = {CODEBOOK_SIZE} if self.asks_symbols else set()
        return frozenset(self.asked | self.tried | differing | size)

    def for_data(self, facts: DataFacts) -> "TrainingSettings":
        """Let the family's rules choose, by the data, what nobody has chosen; settings that they have chosen already stay.

        Examples
        --------
        >>> from asrkit.families.base import DataFacts
        >>> from asrkit.words.settings import TrainingSettings
        >>> facts = DataFacts(words=10, recordings=12, fewest=9, speakers=4)
        >>> TrainingSettings.of("chmm", num_states=5).for_data(facts).model.num_states
        5
        """
        if self.facts is not None:
            return self
        values = self.values()
        chosen = {name: values[name] for name in self.chosen if name in values}
        rules = families.load(self.family).rules(facts, chosen)
        ruled = {name: value for name, value in rules.items() if name not in self.chosen}
        values.update(ruled)
        whole = TrainingSettings.of(self.family, asked=self.asked, **values) if ruled else self
        return replace(whole, tried=self.tried, facts=facts, ruled=tuple(ruled))

    def why(self) -> str:
        """Say what the rules of the data chose, and by what; empty where they chose nothing."""
        if not self.ruled:
            return ""
        known, values = fields_of(self.family), self.values()
        beside = [f"{name}={format_value(values[name])}" for name in self.ruled if known[name][0] != "model"]
        said = [families.load(self.family).describe(self.model), *beside]
        return f"{self.family}: {', '.join(said)}: {self.facts}"

    @classmethod
    def of(cls, family: str, *, asked: Collection[str] | None = None, **values: Any) -> "TrainingSettings":
        """Build the settings from flat values, `num_states=8, max_iters=5, codebook_size=64`; the rest has its defaults.

        Parameters
        ----------
        family : str
        asked : collection of str, optional
            Which of the values somebody chose; all of them by default.
        **values

        Raises
        ------
        SettingsError
            There is no such family or setting, it can't have that value, or two contradict each other.
        """
        known = fields_of(family)
        unknown = next((name for name in values if name not in known), None)
        if unknown:
            raise SettingsError(f"{unknown}=: no setting of {family}{nearest(unknown, known)}")
        parts: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            part, own = known[name]
            parts.setdefault(part, {})[own.name] = value
        classes = part_classes(family)
        configs = {part: classes[part](**parts.get(part, {})) for part in classes}
        return cls(family, **configs, asked=frozenset(values if asked is None else asked))

    def values(self) -> dict[str, Any]:
        """Dict of all settings by the names that `of` takes; a codebook's only where the family has one."""
        return {
            name: getattr(getattr(self, part), own.name)
            for name, (part, own) in fields_of(self.family).items()
        }


def part_classes(family: str) -> dict[str, type[Any]]:
    """Dict of the attributes of TrainingSettings to their dataclasses."""
    module = families.load(family)
    parts: dict[str, type[Any]] = {
        "model": module.Config,
        "training": TrainConfig,
        "transform": TransformConfig,
        "projection": ProjectionConfig,
        "warp": WarpConfig,
    }
    return {**parts, "codebook": CodebookConfig} if module.has_codes else parts


def fields_of(family: str) -> dict[str, tuple[str, Field]]:
    """Dict of every setting's name to (attribute of TrainingSettings, dataclass field)."""
    known: dict[str, tuple[str, Field]] = {}
    for part, config in part_classes(family).items():
        for own in fields(config):
            if "help" in own.metadata:
                known[f"{CODEBOOK if part == 'codebook' else ''}{own.name}"] = (part, own)
    return known


def ruled_values(family: str) -> dict[str, list[Any]]:
    """Which values the rules of a family may choose: dict of setting to those for a grid of data, sorted.

    The number of symbols is the codebook's size under another name.
    """
    numbers = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 256, 512, 1024)
    found: dict[str, set[Any]] = {}
    for speakers in (None, *numbers):
        for recordings in numbers:
            facts = DataFacts(10, recordings, recordings, speakers, 50)
            for name, value in families.load(family).rules(facts, {}).items():
                found.setdefault(name, set()).add(value)
    if CODEBOOK_SIZE in found:
        found["num_symbols"] = found[CODEBOOK_SIZE]
    return {name: sorted(values) for name, values in found.items()}


def flags_of(family: str) -> dict[str, str]:
    """Dict of every setting's flag, on the command line and in conf files, to its name."""
    flags: dict[str, str] = {}
    for name, (part, own) in fields_of(family).items():
        flag = flag_name(own)
        # a codebook's has a name of its own beside those of the training, which has a --method, too
        flags[f"codebook-{flag.removeprefix('codebook-')}" if part == "codebook" else flag] = name
    return flags
