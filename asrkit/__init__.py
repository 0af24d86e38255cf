"""asrkit: isolated-word speech recognition and pronunciation scores with classic models, in Kaldi's manner.

>>> import asrkit
>>> model = asrkit.train("data/train", family="chmm")                 # doctest: +SKIP
>>> model.save("exp/mine")                                            # doctest: +SKIP
>>> asrkit.load("exp/mine").recognize("new.wav").word                 # doctest: +SKIP
"""

import importlib

from asrkit.distribution import VERSION

__version__ = VERSION
TYPE_CHECKING = False  # type checkers take it for true; typing itself would cost a third of this import

# Imported when they are asked for: `import asrkit` alone loads no numpy.
_PUBLIC = {
    "load": "workflows.recognizer",
    "train": "workflows.api",
    "adapt": "workflows.api",
    "crossval": "workflows.api",
    "teach": "workflows.teaching",
    "forget": "workflows.teaching",
    "merge": "workflows.teaching",
    "Recognizer": "workflows.recognizer",
    "Hypothesis": "workflows.recognizer",
    "Speaker": "workflows.speaker",
    "Vocabulary": "words.vocabulary",
    "FrontEnd": "features.frontend",
    "read_audio": "workflows.api",
    "read_data": "workflows.api",
    "find_speech": "workflows.api",
    "score_errors": "evaluation.scoring",
    "PronunciationScorer": "workflows.pronunciation",
    "cluster": "engines.cluster",
    "AsrkitError": "errors",
}

__all__ = [
    "load",
    "train",
    "adapt",
    "crossval",
    "teach",
    "forget",
    "merge",
    "Recognizer",
    "Hypothesis",
    "Speaker",
    "Vocabulary",
    "FrontEnd",
    "read_audio",
    "read_data",
    "find_speech",
    "score_errors",
    "PronunciationScorer",
    "cluster",
    "families",
    "study",
    "AsrkitError",
]

if TYPE_CHECKING:
    from asrkit import families, study
    from asrkit.engines.cluster import cluster
    from asrkit.errors import AsrkitError
    from asrkit.evaluation.scoring import score_errors
    from asrkit.features.frontend import FrontEnd
    from asrkit.words.vocabulary import Vocabulary
    from asrkit.workflows.api import adapt, crossval, find_speech, read_audio, read_data, train
    from asrkit.workflows.pronunciation import PronunciationScorer
    from asrkit.workflows.recognizer import Hypothesis, Recognizer, load
    from asrkit.workflows.speaker import Speaker
    from asrkit.workflows.teaching import forget, merge, teach


def __getattr__(name: str) -> object:
    if name in ("families", "study"):
        return importlib.import_module(f"asrkit.{name}")
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"asrkit.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'asrkit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
