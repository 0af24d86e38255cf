"""Re-estimate a model from statistics: MODEL, STATS -> OUT."""

from dataclasses import dataclass, replace

from asrkit import families
from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.io.model_file import read_model, read_stats, write_model
from asrkit.runtime import one_thread
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.acc_stats import check_adds_up, empty_block, model_hash


@dataclass(frozen=True)
class Estimated:
    """A re-estimated vocabulary, and the objective of the one before it."""

    vocabulary: Vocabulary
    log_like: float
    frames: int
    out: PathLike

    def lines(self) -> list[str]:
        mean = self.log_like / max(self.frames, 1)
        return [
            f"Overall log-likelihood per frame is {mean:.5f} over {self.frames} frames.",
            f"estimated {len(self.vocabulary.words)} words in {self.out}",
        ]


@one_thread()
def est_model(
    model: PathLike, stats_file: PathLike, out: PathLike, *, grow: bool = False, finish: bool = False
) -> Estimated:
    """Estimate the model that is likeliest under the sums and write it.

    Parameters
    ----------
    grow : bool
        Split its mixtures once afterwards.
    finish : bool
        Do instead what `train` does after its last iteration: settle what the words have in common, such as
        `shared_frames` of covariances. Where there is nothing of the kind, the model stays as it is.
    """
    if grow and finish:
        raise SettingsError("grow=true and finish=true: nothing grows once it is finished (leave one out)")
    vocabulary = read_model(model)
    check_adds_up(vocabulary.family)
    sums, belongs = read_stats(stats_file)
    if belongs != model_hash(model):
        raise DataError(f"{stats_file}: made with another model than {model} (accumulate with this one)")
    config, empty = vocabulary.family_config, empty_block(vocabulary)
    found = {}
    for word, own in vocabulary.models.items():
        try:
            found[word] = own.accumulate(empty).filled(sums[word])
        except (KeyError, ValueError) as error:
            raise DataError(
                f"{stats_file}: no statistics of this model: word '{word}': {error} (accumulate again)"
            ) from None
    if finish:
        models = families.load(vocabulary.family).finish(
            vocabulary.models, config, found, vocabulary.codebook
        )
    else:
        models = {word: own.estimate(found[word], config) for word, own in vocabulary.models.items()}
    if grow:
        models = {word: own.grow(found[word], config) or own for word, own in models.items()}
    estimated = replace(vocabulary, models=models)
    write_model(out, estimated)
    log_like, frames = sum(own.log_like for own in found.values()), sum(own.frames for own in found.values())
    return Estimated(estimated, log_like, frames, out)
