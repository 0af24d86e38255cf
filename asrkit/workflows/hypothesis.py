"""What was heard in one recording."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from asrkit.characters import column
from asrkit.workflows.arguments import check_count


class Candidate(NamedTuple):
    """What may have been said.

    Attributes
    ----------
    word : str
        Of the vocabulary, or `<unk>`.
    posterior : float or None
        Its probability; None where the model does not know how sure it may be.
    log_likelihood : float or None
        None for `<unk>`.
    """

    word: str
    posterior: float | None
    log_likelihood: float | None

    def line(self) -> str:
        """Give `word posterior loglik`; what is not known is `-`."""
        p = "-" if self.posterior is None else f"{self.posterior:.6f}"
        score = "-" if self.log_likelihood is None else f"{self.log_likelihood:.4f}"
        return f"{column(self.word)} {p} {score}"


@dataclass(frozen=True)
class Hypothesis:
    """What was heard.

    Attributes
    ----------
    word : str
    log_likelihood : float
        Natural logarithm of the likelihood of all frames under the word's model.
    margin : float
        Lead over the second-best word in nats; inf where no other word has a path of that length. It grows with the length of
        the recording and is no confidence.
    scores : dict of str to float
        The log-likelihood of every word, -inf where a word has no path.
    confidence : float or None
        Probability that the word was said, and not another one, noise, or a word that no model knows; None where the model does not
        know how sure it may be. Where it is too small the word is `<unk>`, and the rest is of the word that came next to it.
    posteriors : dict of str to float
        The probability of every word and of `<unk>`, that it is none of them; the winner's is `confidence`, and no other word's is as large. Empty
        where the model does not know how sure it may be.

    Examples
    --------
    >>> from asrkit import Hypothesis
    >>> Hypothesis("yes", -512.5, 30.25, {"no": -542.75, "yes": -512.5})
    Hypothesis(word='yes', log_likelihood=-512.5, margin=30.25)
    """

    word: str
    log_likelihood: float
    margin: float
    scores: dict[str, float] = field(repr=False)
    confidence: float | None = field(default=None, repr=False)
    posteriors: dict[str, float] = field(default_factory=dict, repr=False)

    def line(self, name: object, with_p: bool = False) -> str:
        """Give the line `name word loglik margin`, or `name word loglik margin p`; a phrase has `_` for blanks."""
        sure = "-" if self.confidence is None else f"{self.confidence:.3f}"
        return f"{name} {column(self.word)} {self.log_likelihood:.2f} {self.margin:.2f}" + f" {sure}" * with_p

    def nbest(self, n: int) -> list[Candidate]:
        """Find the n likeliest of the words and `<unk>`, the likeliest first.

        Nothing is rejected here: what is below `reject` or `min_confidence` has its place by its posterior. Words that have no path of that length
        are left out, and `<unk>`, too, where the model does not know how sure it may be.

        Examples
        --------
        >>> from asrkit import Hypothesis
        >>> Hypothesis("yes", -512.5, 30.25, {"no": -542.75, "yes": -512.5}).nbest(1)
        [Candidate(word='yes', posterior=None, log_likelihood=-512.5)]
        """
        return nbest(self.scores, self.posteriors, check_count(n, "n", 1))

    def nbest_lines(self, name: object, n: int) -> Iterator[str]:
        """Give the lines `name word loglik margin p` of the n likeliest; the margin is the lead over the best of the other words."""
        for word, p, score in self.nbest(n):
            others = [other for own, other in self.scores.items() if own != word]
            margin = None if score is None else score - max(others, default=-math.inf)
            numbers = [
                "-" if value is None else f"{value:.{digits}f}"
                for value, digits in ((score, 2), (margin, 2), (p, 3))
            ]
            yield " ".join([str(name), column(word), *numbers])

    def json_line(self, name: object, n: int = 0) -> str:
        """Give it as a JSON object in one line, with its n likeliest words; what is infinite is null."""
        values: dict[str, object] = {
            "file": str(name),
            "word": self.word,
            "p": self.confidence,
            "log_likelihood": self.log_likelihood,
            "margin": _finite(self.margin),
            "scores": {word: _finite(score) for word, score in self.scores.items()},
        }
        if n:
            values["nbest"] = [candidate._asdict() for candidate in self.nbest(n)]
        return json.dumps(values, ensure_ascii=False)


def nbest(scores: Mapping[str, float], posteriors: Mapping[str, float], n: int) -> list[Candidate]:
    """Find the n likeliest, of log-likelihoods and, where they are known, posteriors by word."""
    words: Iterable[str] = posteriors or scores
    found = [
        Candidate(word, posteriors.get(word), scores.get(word))
        for word in words
        if math.isfinite(scores.get(word, 0.0))
    ]

    def place(one: Candidate) -> tuple[float, float]:
        return one.posterior or 0.0, -math.inf if one.log_likelihood is None else one.log_likelihood

    return sorted(found, key=place, reverse=True)[:n]


def nothing_line(name: object, with_p: bool = False) -> str:
    """Give the line of a recording that has no word."""
    return f"{name} - -inf 0" + " -" * with_p


def nothing_json_line(name: object, why: str) -> str:
    """Give the JSON line of a recording that has no word."""
    return json.dumps({"file": str(name), "word": None, "error": why}, ensure_ascii=False)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
