"""The start of a training, for a cluster: uniform segmentation (or k-means for a gmm) -> EXP/0.npz."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asrkit import families
from asrkit.config import PathLike
from asrkit.io.facts import data_facts
from asrkit.io.features import ReadConfig, read_words
from asrkit.io.holds import holding
from asrkit.io.model_file import write_model
from asrkit.io.places import as_path
from asrkit.runtime import one_thread
from asrkit.words.settings import TrainingSettings
from asrkit.words.training import SAMPLE
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.acc_stats import check_adds_up
from asrkit.workflows.train import common_starts, model_config, open_training, vocabulary_of, word_sources
from asrkit.workflows.train_codebook import publish


@dataclass(frozen=True)
class Started:
    """The vocabulary that training starts from."""

    vocabulary: Vocabulary
    path: Path
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        return [*self.notes, f"started {len(self.vocabulary.words)} words in {self.path}"]


@one_thread()
@holding("exp")
def init_model(
    data_dir: PathLike, exp: PathLike, settings: TrainingSettings, *, read: ReadConfig | None = None
) -> Started:
    """Make the models that a training starts from and write EXP/0.npz."""
    check_adds_up(settings.family)
    data = read_words(data_dir, settings.training.phrases)
    settings = settings.for_data(data_facts(data))
    opened = open_training(data, exp, settings, read or ReadConfig())
    if opened.made is not None:
        publish(opened.made, opened.features.frontend)
    family, config = families.load(settings.family), model_config(settings, opened.codebook)
    sources = word_sources(opened.features, opened.store)
    seed = settings.training.seed
    common = common_starts(settings.family, [config], seed, opened.store).get((0, 0))
    models = {
        word: family.init(
            config, replace(source.sample(SAMPLE), common=common), np.random.default_rng([seed, index, 0])
        )
        for index, (word, source) in enumerate(sources.items())
    }
    whole, path = vocabulary_of(settings, models, opened), as_path(exp) / "0.npz"
    write_model(path, whole)
    return Started(whole, path, (*filter(None, [settings.why()]), *opened.notes))
