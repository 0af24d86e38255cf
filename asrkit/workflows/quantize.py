"""Replace feature vectors by the numbers of their nearest code vectors -> OUT/codes.scp."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asrkit import families
from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.archive import write_archive
from asrkit.io.features import ReadConfig, check_skipped, read_features, summary
from asrkit.io.holds import holding
from asrkit.io.model_file import read_codebook, read_model
from asrkit.io.places import as_path
from asrkit.runtime import one_thread


@dataclass(frozen=True)
class Quantized:
    """How many utterances were quantized, and why the others were not."""

    utts: int
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        return [summary("quantized", self.utts, self.skipped)]


@one_thread()
@holding("out")
def quantize(
    exp: PathLike, data_dir: PathLike, out: PathLike, *, read: ReadConfig | None = None
) -> Quantized:
    """Write the codes of a data directory's features to OUT/codes.scp.

    They are int32 (T,) an utterance; of K streams float32 (T, K), for Kaldi's archives have no matrices of integers.

    Parameters
    ----------
    exp : path
        Folder with codebook.npz, or the file itself.

    Raises
    ------
    DataError
        There is no codebook, such as with the model of a family that needs none, or the features can't be used.
    """
    read, path = read or ReadConfig(), as_path(exp)
    codebook, frontend = read_codebook(codebook_path(path) if path.is_dir() else path)
    features = read_features(data_dir, frontend=frontend, allow_pipes=read.allow_pipes)

    def codes() -> Iterator[tuple[str, np.ndarray]]:
        for utt, feats in features:
            found = codebook.quantize(feats)
            yield utt, found if found.ndim == 1 else found.astype(np.float32)
        # raised here, nothing is written
        check_skipped(features.skipped, read.max_skipped, "quantized", len(features.lengths))

    write_archive(as_path(out) / "codes.ark", as_path(out) / "codes.scp", codes())
    return Quantized(len(features.lengths), dict(features.skipped))


def codebook_path(folder: Path) -> Path:
    """The codebook of a training's folder; a DataError where its family has none."""
    path = folder / "codebook.npz"
    if not path.exists() and (folder / "final.npz").exists():
        name = read_model(folder).family
        if not families.load(name).has_codes:
            raise DataError(
                f"{folder}: a {name} has no codebook (asrkit train-codebook makes one of a data directory)"
            )
    return path
