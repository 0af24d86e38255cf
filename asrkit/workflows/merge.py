"""The words of several models as one model -> OUT/final.npz."""

from collections.abc import Sequence
from dataclasses import dataclass

from asrkit.config import PathLike
from asrkit.errors import SettingsError
from asrkit.io.holds import holding
from asrkit.io.model_file import read_model, write_model
from asrkit.io.places import as_path
from asrkit.runtime import one_thread
from asrkit.words.merging import merge_vocabularies
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.calibrate import confidence_lines


@dataclass(frozen=True)
class Merged:
    """Several vocabularies as one."""

    vocabulary: Vocabulary
    names: list[str]

    def lines(self) -> list[str]:
        """How many words there are, and where confidence comes from."""
        confidence, kept = self.vocabulary.confidence, self.vocabulary.kept
        if confidence is None:
            lines = ["confidence: not all of them know it (asrkit calibrate makes the merged model know)"]
        elif kept is not None and len(kept.taught) == len(self.vocabulary.words):
            lines = confidence_lines(confidence)
        else:
            lines = [
                f"confidence: by the weights and thresholds of {self.names[0]}, which have not heard the other words (asrkit calibrate learns "
                "them anew)"
            ]
        return [*lines, f"{len(self.vocabulary.words)} words of {len(self.names)} models"]


@one_thread()
@holding("out")
def merge(exps: Sequence[PathLike], out: PathLike) -> Merged:
    """Put the words of several models into one, and write OUT/final.npz.

    Parameters
    ----------
    exps : list of path
        Two or more.
    out : path
        A folder.

    Raises
    ------
    DataError
        Their words can't stand side by side, or a word is there twice.
    """
    if len(exps) < 2:
        raise SettingsError(
            "one model alone is merged with nothing (name two or more, and the folder for all words)"
        )
    vocabularies, names = [read_model(exp) for exp in exps], [str(exp) for exp in exps]
    merged = Merged(merge_vocabularies(vocabularies, names), names)
    write_model(as_path(out) / "final.npz", merged.vocabulary)
    return merged
