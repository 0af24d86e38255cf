"""Accumulate the statistics of a model over (a part of) a data directory -> STATS.npz."""

import hashlib
from dataclasses import dataclass

import numpy as np

from asrkit import families
from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.features.warp import WarpConfig
from asrkit.io.features import ReadConfig, check_skipped, is_recording, read_features, summary
from asrkit.io.model_file import read_model, write_block_stats, write_stats
from asrkit.io.places import as_path
from asrkit.io.shares import check_whole, own_features
from asrkit.io.store import Share, Store
from asrkit.models.base import Block, WordStats
from asrkit.runtime import one_thread
from asrkit.words.short import counted_short, too_short
from asrkit.words.sums import added
from asrkit.words.vocabulary import Vocabulary


@dataclass(frozen=True)
class Accumulated:
    """Sums over utterances.

    Attributes
    ----------
    stats : dict of str to WordStats
    utts : int
    skipped : dict of str to str
    """

    stats: dict[str, WordStats]
    utts: int
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        frames = sum(own.frames for own in self.stats.values())
        mean = sum(own.log_like for own in self.stats.values()) / max(frames, 1)
        return [
            f"Overall log-likelihood per frame is {mean:.5f} over {frames} frames.",
            summary("accumulated", self.utts, self.skipped),
        ]


@one_thread()
def acc_stats(
    model: PathLike,
    data_dir: PathLike,
    stats_file: PathLike,
    *,
    method: str = "viterbi",
    part: int = 1,
    parts: int = 1,
    read: ReadConfig | None = None,
) -> Accumulated:
    """Accumulate over the utterances of a data directory and write the sums.

    Parameters
    ----------
    model : path
        Model file.
    stats_file : path
    method : {"viterbi", "baum-welch"}
        Along the best path, or over all paths.
    part, parts : int
        With more than one part, accumulate over that share of the data directory, cut into the blocks that `train` cuts it into, and keep
        each block's sums apart: `sum_accs` of all shares gives `train`'s sums, byte for byte.
    """
    if part > parts:
        raise SettingsError(f"part={part} parts={parts}: parts count from 1 to parts")
    read = read or ReadConfig()
    vocabulary = read_model(model)
    check_adds_up(vocabulary.family)
    copies = WarpConfig(
        vocabulary.config.get("warps", ""), vocabulary.config.get("train_memory", WarpConfig.train_memory)
    )
    features = read_features(
        data_dir,
        need_text=True,
        phrases=vocabulary.phrases,
        frontend=vocabulary.frontend,
        allow_pipes=read.allow_pipes,
        warps=copies.factors,
        memories=copies.memories,
    )
    share, takes = Share(vocabulary.words, part, parts), None
    if parts > 1:
        whole = features
        features, takes = own_features(whole, share)
    store = Store(features, as_path(stats_file).parent, vocabulary.observe, takes)
    if parts > 1 and features is not whole:
        check_whole(features)
    share.close()
    utts: dict[str, list[str]] = {word: [] for word in vocabulary.words}
    for utt in store.utts:
        word = store.words[utt]
        if word not in utts:
            raise DataError(
                f"{features.data.path / 'text'}: utterance '{utt}': the model does not know the word '{word}' (asrkit init-model on all data)"
            )
        utts[word].append(utt)
    stats, sources, short = {}, {}, {}
    sums: dict[str, list[WordStats]] = {}  # of each block
    empty = empty_block(vocabulary)
    for word, own in vocabulary.models.items():
        if utts[word]:
            sources[word] = store.source(utts[word])
            short[word] = too_short(sources[word], own)
        sums[word] = [own.accumulate(block, method) for block in sources.get(word, [empty])]
        stats[word] = added(sums[word])
    skipped = {**features.skipped, **{utt: why for of_word in short.values() for utt, why in of_word.items()}}
    used = sum(map(is_recording, store.utts)) + len(features.skipped) - len(skipped)
    counted = {**features.skipped, **counted_short(short, sources, asked=False)}
    check_skipped(counted, read.max_skipped, "accumulated", used)
    if parts > 1:
        blocks = {word: dict(zip(share.blocks[word], own)) for word, own in sums.items()}
        write_block_stats(stats_file, blocks, share.totals, model_hash(model))
    else:
        write_stats(stats_file, stats, model_hash(model))
    return Accumulated(stats, used, skipped)


def check_adds_up(family_name: str) -> None:
    """Raise a DataError where a family's training is no sum over utterances."""
    if not families.load(family_name).adds_up:
        raise DataError(
            f"the training of a {family_name} is no sum over utterances (asrkit train does it in one)"
        )


def model_hash(path: PathLike) -> str:
    """SHA-256 of a model file: sums belong to the model they were made with, and to no other."""
    path = as_path(path)
    return hashlib.sha256((path / "final.npz" if path.is_dir() else path).read_bytes()).hexdigest()


def empty_block(vocabulary: Vocabulary) -> Block:
    """No utterances: what a word that this part of the data lacks is accumulated over."""
    obs = vocabulary.observe(np.zeros((0, vocabulary.frontend.model_dim), dtype=np.float32))
    return Block((), obs, np.zeros(1, dtype=np.int64))
