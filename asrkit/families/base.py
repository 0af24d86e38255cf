"""What a family of word models must say of itself: the contract of the files in this room."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from asrkit.config import option
from asrkit.models.base import Block, WordModel, WordStats
from asrkit.models.sharing import share_covariances

if TYPE_CHECKING:
    from asrkit.models.codebook import Codebook

MAP, MLLR, MLLR_MAP = "map", "mllr", "mllr-map"  # ways to move a trained vocabulary to a speaker


@dataclass(frozen=True)
class DataFacts:
    """What a family is told of the data before its settings are chosen.

    Attributes
    ----------
    words : int
        Different words.
    recordings : int
        Of a word: the median over all words. Copies of a recording, perturbed or warped, are not counted.
    fewest : int
        Of the word that has the fewest.
    speakers : int or None
        None where nobody knows who speaks.
    frames : int or None
        Of a recording: the median; None where it is not known without reading all.
    """

    words: int
    recordings: int
    fewest: int
    speakers: int | None = None
    frames: int | None = None

    def __str__(self) -> str:
        """`4 speakers, 12 recordings a word`."""
        who = "unknown speakers" if self.speakers is None else counted(self.speakers, "speaker")
        return f"{who}, {counted(self.recordings, 'recording')} a word"


def counted(count: int, what: str) -> str:
    """Write `1 speaker`, `2 speakers`."""
    return f"{count} {what}{'s' * (count != 1)}"


class Family(ABC):
    """A kind of word model: its settings, where its training starts, and what can be done with it.

    A new family is one new file in `asrkit/families` with one subclass; its name is the file's. All commands work with it, or
    refuse by what is declared here.

    Attributes
    ----------
    Config : frozen dataclass of `asrkit.config.option` fields
        Its own settings.
    has_codes : bool
        Its models see codes of a codebook, not features.
    has_states : bool
        A word is a sequence of states; `Config` has `num_states`.
    has_gaussians : bool
        `Config` has `num_gauss`.
    gaussians_a_state : bool
        `num_gauss` is of each state, not of the word.
    grows : bool
        Training passes through smaller models on its way, so that those of several sizes share it.
    adds_up : bool
        Its training is sums over utterances: `acc-stats` and the other steps of a cluster can do it.
    can_align : bool
        Its models say which state a frame belongs to.
    adaptations : tuple of str
        Of `MAP`, `MLLR`, `MLLR_MAP`: how a trained model can be moved to a speaker.
    few_recordings : int
        Recordings of a word below which its model is hardly one.
    can_teach : bool
        `teach` makes a word of one to ten recordings, given what the states of other words have in common.
    can_merge : bool
        Words that were trained apart can stand side by side.
    """

    Config: ClassVar[type[Any]]
    has_codes: ClassVar[bool]
    has_states: ClassVar[bool]
    has_gaussians: ClassVar[bool]
    gaussians_a_state: ClassVar[bool]
    grows: ClassVar[bool]
    adds_up: ClassVar[bool]
    can_align: ClassVar[bool]
    adaptations: ClassVar[tuple[str, ...]]
    few_recordings: ClassVar[int] = 5
    can_teach: ClassVar[bool] = False
    can_merge: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """The name of the family: that of its file."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def init(self, config: Any, block: Block, rng: "np.random.Generator", start: int = 0) -> WordModel:
        """Make the model that training starts from.

        Parameters
        ----------
        config : Config
        block : Block
            Training utterances of one word, or a fair sample of many.
        start : int
            0 for the start that is drawn least by chance; above for others.
        """

    @abstractmethod
    def from_arrays(self, arrays: dict[str, np.ndarray]) -> WordModel:
        """Make a model of what its `to_arrays` gave."""

    def starts_in_common(self, config: Any) -> bool:
        """Whether the words' trainings start from something that all words have in common."""
        return False

    def common_start(self, config: Any, block: Block, rng: "np.random.Generator") -> Any:
        """Make that of a fair sample of all words' utterances; `init` finds it in its block's `common`."""
        raise NotImplementedError

    def finishes_by_sums(self, config: Any) -> bool:
        """Whether `finish` needs the sums of all words, each made with its model."""
        return False

    def finish(
        self,
        models: dict[str, WordModel],
        config: Any,
        sums: Mapping[str, WordStats] | None = None,
        codebook: "Codebook | None" = None,
    ) -> dict[str, WordModel]:
        """Settle what all words of a vocabulary have in common, once each of them is trained; nothing by default."""
        return models

    def rules(self, facts: DataFacts, chosen: Mapping[str, Any]) -> Mapping[str, Any]:
        """Choose settings by the data: dict of name to value, for all that nobody chose; none by default.

        `chosen` are those that somebody chose, for what goes with them.

        Names are those of `asrkit.words.settings.fields_of`: of this family's Config, of the training, the transform and the
        warps; a codebook's begin with `codebook_`, and its size is `codebook_size`, not `num_symbols`. They are the same whatever
        the facts and what was chosen: where the data ask for nothing special, a rule gives the default.
        """
        return {}

    def describe(self, config: Any) -> str:
        """Say in a few words how large models of these settings are."""
        return " ".join(f"{name}={value}" for name, value in vars(config).items())

    def teach(
        self, config: Any, block: Block, mean: np.ndarray, covariance: np.ndarray, copies: int
    ) -> WordModel:
        """Make the model of a word of few recordings: of families that `can_teach`.

        Parameters
        ----------
        block : Block
            Its recordings and their copies.
        mean : (D,)
            Of all frames of a vocabulary.
        covariance : (D, D)
            Of the frames of its states about the states' means.
        copies : int
            Of a recording, itself among them: so many frames of the block are one.
        """
        raise NotImplementedError

    def num_starts(self, config: Any) -> int:
        """Count the starts that a word is trained from."""
        return 1

    def wanted_states(self, config: Any) -> int:
        """Count the states that a word should get; 0 where its recordings decide."""
        return 1

    def wanted_gaussians(self, config: Any, num_states: int) -> int:
        """Count the Gaussians that a word of so many states should get; 0 where there are none."""
        if not self.has_gaussians:
            return 0
        return config.num_gauss * (num_states if self.gaussians_a_state else 1)


def shared_frames() -> Any:
    """Make the setting of families that share covariances."""
    return option(
        0.0,
        "frames that count for the covariance that the Gaussians of all words have on average, beside those of each; 0: each has its own",
        minimum=0,
    )


class SharesCovariances(Family):
    """A family of Gaussians whose Config has `shared_frames`: the last iteration draws all covariances towards one."""

    def finishes_by_sums(self, config: Any) -> bool:
        return config.shared_frames > 0

    def finish(
        self,
        models: dict[str, WordModel],
        config: Any,
        sums: Mapping[str, WordStats] | None = None,
        codebook: "Codebook | None" = None,
    ) -> dict[str, WordModel]:
        """Make one more iteration, whose covariances are shared; none where nothing is."""
        if not config.shared_frames or sums is None:
            return models
        estimated = {word: model.estimate(sums[word], config) for word, model in models.items()}
        return share_covariances(estimated, sums, config.shared_frames)


def states_of(config: Any) -> str:
    """Say how many states an HmmConfig gives to a word."""
    most = "up to " * (config.frames_per_state > 0)
    return f"{most}{counted(config.num_states, 'state')}{' and silence' * config.silence}"


def gaussians_of(config: Any) -> str:
    """Say how many Gaussians of which form a Config asks for."""
    size = counted(config.num_gauss, "full Gaussian" if config.covariance == "full" else "Gaussian")
    return size + (f", covariances shared (ν {config.shared_frames:g})" if config.shared_frames else "")


class HmmFamily(Family):
    """A family whose words are hidden Markov models; its Config is an HmmConfig."""

    has_codes = False
    has_states = True
    gaussians_a_state = False
    grows = False
    adds_up = True
    can_align = True
    adaptations = (MAP, MLLR, MLLR_MAP)

    def num_starts(self, config: Any) -> int:
        return config.num_starts

    def wanted_states(self, config: Any) -> int:
        return 0 if config.frames_per_state else config.num_states + 2 * config.silence
