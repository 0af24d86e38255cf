"""How what was heard of a speaker helps to hear him: the settings, and what they ask of a vocabulary."""

from dataclasses import dataclass

from asrkit.config import check_fields, option
from asrkit.families.base import MAP, MLLR, MLLR_MAP
from asrkit.words.vocabulary import Vocabulary, why_not_adaptable

CAUSAL, WHOLE = "causal", "whole"
FIRST = 15  # recordings after which the first step is taken; each later one waits for as many, or for half as many as were heard


@dataclass(frozen=True)
class ListenConfig:
    """How what was heard of a speaker helps to hear him."""

    adapt: str = option(
        CAUSAL,
        "learn each speaker from the recordings heard before, or from all of them, as far as those left out bear it out; or move the "
        "models to all of a speaker's recordings, come what may",
        choices=("none", CAUSAL, WHOLE, MAP, MLLR, MLLR_MAP),
    )
    adapt_passes: int = option(
        3, "map, mllr, mllr-map: how often, each time by what was heard after the one before", minimum=1
    )
    adapt_tau: float = option(
        10.0, "map: frames that count for the old value of a Gaussian, or of a state's symbols", minimum=0
    )
    adapt_transform: str = option("block", "mllr's matrix", choices=("full", "block", "diag", "bias"))

    cmvn_memory: str = option(
        "auto",
        "cmvn map: normalise a recording with its speaker's before it, too, with all of its speaker's, or alone; auto: with all where "
        "--adapt has heard all",
        choices=("auto", "speaker", "whole", "none"),
    )

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def memory(self) -> str:
        """What the normalisation knows of a speaker: "speaker", "whole" or "none"."""
        if self.cmvn_memory != "auto":
            return self.cmvn_memory
        return "speaker" if self.adapt in ("none", CAUSAL) else "whole"

    def why_not(self, family_name: str) -> str | None:
        """Say why models of a family can't be adapted so; None where they can. (What can't learn is heard as it was trained, causally.)"""
        if self.adapt in ("none", CAUSAL):
            return None
        return why_not_adaptable(family_name, MLLR if self.adapt == WHOLE else self.adapt)


def learns_speakers(vocabulary: Vocabulary, config: ListenConfig) -> bool:
    """Whether the vocabulary is moved to speakers by what was heard of them, recording by recording or of all."""
    return config.adapt in (CAUSAL, WHOLE) and why_not_adaptable(vocabulary.family, MLLR) is None
