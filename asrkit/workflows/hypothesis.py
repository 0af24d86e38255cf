"""What was heard in one recording."""

import json
import math
from dataclasses import dataclass, field


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

    def line(self, name: object, with_p: bool = False) -> str:
        """Give the line `name word loglik margin`, or `name word loglik margin p`."""
        sure = "-" if self.confidence is None else f"{self.confidence:.3f}"
        return f"{name} {self.word} {self.log_likelihood:.2f} {self.margin:.2f}" + f" {sure}" * with_p

    def json_line(self, name: object) -> str:
        """Give it as a JSON object in one line; what is infinite is null."""
        values = {
            "file": str(name),
            "word": self.word,
            "confidence": self.confidence,
            "log_likelihood": self.log_likelihood,
            "margin": _finite(self.margin),
            "scores": {word: _finite(score) for word, score in self.scores.items()},
        }
        return json.dumps(values, ensure_ascii=False)


def nothing_line(name: object, with_p: bool = False) -> str:
    """Give the line of a recording that has no word."""
    return f"{name} - -inf 0" + " -" * with_p


def nothing_json_line(name: object, why: str) -> str:
    """Give the JSON line of a recording that has no word."""
    return json.dumps({"file": str(name), "word": None, "error": why}, ensure_ascii=False)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
