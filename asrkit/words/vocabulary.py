"""A trained vocabulary: what a model file holds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asrkit import families
from asrkit.errors import DataError
from asrkit.features.frontend import FrontEnd
from asrkit.models.base import WordModel
from asrkit.words.confidence import Confidence

if TYPE_CHECKING:
    from asrkit.models.codebook import Codebook
    from asrkit.words.kept import Kept


@dataclass(frozen=True)
class Vocabulary:
    """The models of some words, and all that it takes to go from a recording to one of them.

    Attributes
    ----------
    family : str
        A name of `asrkit.families`.
    words : tuple of str
        In C-locale order, the order of every score vector.
    models : dict of str to WordModel
    config : dict
        The settings of the training: "family", "train", "warps" and "train_memory"; "rules", where the data chose some of them:
        their names ("settings") and the DataFacts ("facts").
    codebook : Codebook or None
        Of families whose observations are codes.
    frontend : FrontEnd
    data_hash : str
        SHA-256 over the training utterances' names, words and features.
    confidence : Confidence or None
        What it takes to say how sure it is; None where nobody calibrated it.
    kept : Kept or None
        What it takes to teach it words and to forget them; None where nothing was kept.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> hiss = [rng.normal(0, 0.1, 4000) for _ in range(5)]
    >>> vocabulary = asrkit.train({"hiss": hiss}, rate_hz=8000, family="gmm", num_gauss=1).vocabulary
    >>> vocabulary.words, vocabulary.family, vocabulary.frontend.rate_hz
    (('hiss',), 'gmm', 8000)
    """

    family: str
    words: tuple[str, ...]
    models: dict[str, WordModel]
    config: dict[str, Any]
    codebook: "Codebook | None"
    frontend: FrontEnd
    data_hash: str
    confidence: Confidence | None = None
    kept: "Kept | None" = None

    def observe(self, feats: np.ndarray) -> np.ndarray:
        """Turn model features (T, D) into what the word models see: the features, or their codes (T,) or (T, K)."""
        return feats if self.codebook is None else self.codebook.quantize(feats)

    @property
    def family_config(self) -> Any:
        """The family's own settings."""
        return families.load(self.family).Config(**self.config["family"])

    @property
    def shortest(self) -> int:
        """Frames below which no word is heard."""
        return min(model.shortest for model in self.models.values())

    @property
    def phrases(self) -> bool:
        """Whether a text line of several words is one class."""
        return bool(self.config.get("train", {}).get("phrases")) or any(" " in word for word in self.words)

    @property
    def ruled(self) -> tuple[str, ...]:
        """Names of the settings that the data chose."""
        return tuple(self.config.get("rules", {}).get("settings", ()))

    @property
    def num_parameters(self) -> int:
        """Numbers that training set: probabilities, means and (co)variances, templates, and the codebook's vectors."""
        book = 0 if self.codebook is None else self.codebook.vectors.size
        return book + sum(model.num_parameters for model in self.models.values())

    def check_adaptable(self, method: str) -> None:
        """Raise a DataError where models of this family can't be adapted by a method."""
        reason = why_not_adaptable(self.family, method)
        if reason:
            raise DataError(reason)


def why_not_adaptable(family_name: str, method: str) -> str | None:
    """Say why models of a family can't be adapted by a method; None where they can."""
    known = families.load(family_name).adaptations
    if method in known:
        return None
    can = f"take {' or '.join(known)}" if known else "train it on the new recordings"
    return f"a {family_name} can't be adapted by {method} ({can})"
