"""Train a vector-quantisation codebook on all frames of a data directory -> EXP/codebook.npz."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import SettingsError
from asrkit.features.frontend import FrontEnd
from asrkit.io.data_dir import read_data_dir
from asrkit.io.facts import data_facts
from asrkit.io.features import FeatureSet, ReadConfig, check_skipped, read_features, summary
from asrkit.io.files import atomic_write, remove
from asrkit.io.holds import holding
from asrkit.io.model_file import write_codebook
from asrkit.io.places import as_path
from asrkit.io.store import Store
from asrkit.models.base import is_recording
from asrkit.models.codebook import Codebook, CodebookConfig
from asrkit.models.codebook import train_codebook as train_on_frames
from asrkit.runtime import one_thread
from asrkit.words.settings import TrainingSettings

FILES = ("codebook.npz", "codebook.json")  # in the order they are written in
MOST = 100_000  # frames; of a larger corpus, whole utterances spread evenly over all of it


@dataclass(frozen=True)
class CodebookTrained:
    """A codebook and what it was made of.

    Attributes
    ----------
    codebook : Codebook
    asked : int
        Code vectors that were asked for.
    histories : list of list of (int, float)
        For each stream, the size and mean squared distance of each iteration.
    path : Path or None
    data_hash : str
        SHA-256 over the training utterances' names, words and features.
    utts : int
    skipped : dict of str to str
    """

    codebook: Codebook
    asked: int
    histories: list[list[tuple[int, float]]]
    path: Path | None
    data_hash: str
    utts: int
    skipped: dict[str, str]

    def line(self) -> str:
        """Say how large it is and how close it comes."""
        full = len(self.codebook.vectors) == self.asked * self.codebook.num_streams
        fewer = "" if full else f" ({self.asked} asked for, the frames fall into no more cells)"
        where = f", in {self.path}" if self.path else ""
        distance = sum(history[-1][1] for history in self.histories)
        return f"codebook of {self.codebook.described()}{fewer}, mean squared distance {distance:.4f}{where}"

    def lines(self) -> list[str]:
        return [self.line(), summary("read", self.utts, self.skipped)]


@one_thread()
@holding("exp")
def train_codebook(
    data_dir: PathLike,
    exp: PathLike,
    settings: TrainingSettings,
    *,
    read: ReadConfig | None = None,
    jobs: int = 1,
) -> CodebookTrained:
    """Train a codebook on the features of a data directory and write EXP/codebook.npz.

    Parameters
    ----------
    settings : TrainingSettings
        Of a family with codes; its codebook, seed, transform and warps.
    jobs : int
        Processes; the result does not depend on it.

    Raises
    ------
    DataError
        The features can't be read, or more utterances than allowed can't be used.
    """
    started = time.perf_counter()
    read = read or ReadConfig()
    data = read_data_dir(data_dir, require=("feats.scp", *["text"] * bool(settings.projection.lda_dim)))
    settings = settings.for_data(data_facts(data))
    features = read_features(
        data,
        transform_config=settings.transform,
        projection_config=settings.projection,
        allow_pipes=read.allow_pipes,
        warps=settings.warp.factors,
        memories=settings.warp.memories,
    )
    path = as_path(exp) / "codebook.npz"
    trained = make_codebook(
        features, settings.codebook, settings.training.seed, exp, read.max_skipped, path, jobs
    )
    publish(trained, features.frontend)
    with atomic_write(as_path(exp) / "codebook.json") as stream:
        json.dump({"seconds": round(time.perf_counter() - started, 3)}, stream)
        stream.write("\n")
    return trained


def make_codebook(
    features: FeatureSet,
    config: CodebookConfig,
    seed: int,
    exp: PathLike | None,
    max_skipped: int,
    path: Path | None,
    jobs: int = 1,
) -> CodebookTrained:
    """Train a codebook on the frames of a FeatureSet.

    Parameters
    ----------
    exp : path or None
        Where a temporary file may lie.
    path : Path or None
        Where it will be written.
    """
    if config.streams > 1 and features.frontend.projection is not None:
        raise SettingsError(
            f"codebook_streams={config.streams}: {features.frontend.projection.method} features have no statics and orders of "
            "deltas to be cut into (leave it out: they are one stream)"
        )
    config = replace(config, streams=config.streams or features.frontend.num_blocks)
    store = Store(features, exp)
    check_skipped(features.skipped, max_skipped, "read", len(store.utts))
    codebook, histories = train_on_frames(
        store.sample(store.utts, MOST).obs, config, np.random.default_rng(seed), jobs
    )
    utts = sum(map(is_recording, features.lengths))
    return CodebookTrained(
        codebook, config.size, histories, path, store.data_hash, utts, dict(features.skipped)
    )


def publish(trained: CodebookTrained, frontend: FrontEnd) -> None:
    """Write a codebook where it belongs."""
    assert trained.path is not None
    remove(trained.path.with_suffix(".json"))
    write_codebook(trained.path, trained.codebook, frontend, trained.data_hash, trained.asked)
