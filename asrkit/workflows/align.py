"""Find the best state sequence of each utterance through the model of the word it says -> OUT/ali.scp and OUT/ctm."""

from dataclasses import dataclass

import numpy as np

from asrkit import families
from asrkit.characters import column
from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.archive import write_archive
from asrkit.io.features import ReadConfig, check_skipped, read_features, summary
from asrkit.io.files import atomic_write
from asrkit.io.holds import holding
from asrkit.io.model_file import read_model
from asrkit.io.places import as_path
from asrkit.io.store import Store
from asrkit.runtime import one_thread


@dataclass(frozen=True)
class Aligned:
    """State sequences of a data directory.

    Attributes
    ----------
    paths : dict of str to int32 (T,)
        The state of each frame, from 0.
    scores : dict of str to float
        Log-probability of each path.
    skipped : dict of str to str
    """

    paths: dict[str, np.ndarray]
    scores: dict[str, float]
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        frames = sum(map(len, self.paths.values()))
        mean = sum(self.scores.values()) / frames
        return [
            f"Overall log-likelihood per frame is {mean:.5f} over {frames} frames.",
            summary("aligned", len(self.paths), self.skipped),
        ]


@one_thread()
@holding("out")
def align(exp: PathLike, data_dir: PathLike, out: PathLike, *, read: ReadConfig | None = None) -> Aligned:
    """Align a data directory with a model and write OUT/ali.scp and OUT/ctm.

    Raises
    ------
    DataError
        The family's models align nothing, or nothing could be aligned.
    """
    read, out = read or ReadConfig(), as_path(out)
    vocabulary = read_model(exp)
    if not families.load(vocabulary.family).can_align:
        raise DataError(
            f"{exp}: a {vocabulary.family} has no states that frames could be aligned with (take a chmm)"
        )
    features = read_features(
        data_dir,
        need_text=True,
        phrases=vocabulary.phrases,
        frontend=vocabulary.frontend,
        allow_pipes=read.allow_pipes,
    )
    store = Store(features, out, vocabulary.observe)
    skipped, paths, scores = dict(features.skipped), {}, {}
    by_word: dict[str, list[str]] = {}
    for utt in store.utts:
        by_word.setdefault(store.words[utt], []).append(utt)
    for word, utts in by_word.items():
        if word not in vocabulary.models:
            skipped.update(dict.fromkeys(utts, f"the model does not know the word '{word}'"))
            continue
        for block in store.source(utts):
            log_likes, path = vocabulary.models[word].align(block)
            for u, utt in enumerate(block.utts):
                if np.isfinite(log_likes[u]):
                    paths[utt], scores[utt] = path[block.offsets[u] : block.offsets[u + 1]], log_likes[u]
                else:
                    skipped[utt] = f"{block.lengths[u]} frames < {vocabulary.models[word].shortest} states"
    if not paths:
        raise DataError(f"{data_dir}: nothing could be aligned: {summary('aligned', 0, skipped)}")
    check_skipped(skipped, read.max_skipped, "aligned", len(paths))
    order = [utt for utt in store.utts if utt in paths]
    shift_s = features.frame_shift_s()
    write_archive(out / "ali.ark", out / "ali.scp", ((utt, paths[utt]) for utt in order))
    with atomic_write(out / "ctm") as stream:
        for utt in order:
            stream.write(f"{utt} 1 0.00 {len(paths[utt]) * shift_s:.2f} {column(features.data.text[utt])}\n")
    return Aligned(paths, scores, skipped)
