"""Add the statistics of several accumulation passes -> OUT."""

from collections.abc import Mapping, Sequence

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.model_file import (
    BLOCK_STATS,
    npz_kind,
    read_block_stats,
    read_stats,
    write_block_stats,
    write_stat_arrays,
)
from asrkit.words.sums import added

Arrays = Mapping[str, np.ndarray]


def sum_accs(out: PathLike, stats_files: Sequence[PathLike]) -> None:
    """Add files of sums, in their order, and write the total.

    Shares of a data directory are put together: all of them make the sums of the whole, added in the order of the data as `train` adds
    them; some of them make a larger share.

    Raises
    ------
    DataError
        They were made with different models, or have other words or shapes, or a share comes twice.
    """
    shares = [path for path in stats_files if npz_kind(path) == BLOCK_STATS]
    if shares:
        return _sum_shares(out, stats_files, shares)
    total, belongs = read_stats(stats_files[0])
    for path in stats_files[1:]:
        more, model_hash = read_stats(path)
        _check_same_model(path, model_hash, stats_files[0], belongs)
        if {w: _shapes(s) for w, s in more.items()} != {w: _shapes(s) for w, s in total.items()}:
            raise DataError(f"{path}: words or shapes other than in {stats_files[0]} (accumulate again)")
        total = {word: _add(arrays, more[word]) for word, arrays in total.items()}
    write_stat_arrays(out, total, belongs)


def _sum_shares(out: PathLike, stats_files: Sequence[PathLike], shares: Sequence[PathLike]) -> None:
    whole = next((path for path in stats_files if path not in shares), None)
    if whole is not None:
        raise DataError(
            f"{whole}: statistics of a whole, {shares[0]}: of a share (add shares of one data directory alone)"
        )
    sums, totals, belongs = read_block_stats(shares[0])
    for path in shares[1:]:
        more, its_totals, model_hash = read_block_stats(path)
        _check_same_model(path, model_hash, shares[0], belongs)
        if its_totals != totals:
            raise DataError(f"{path}: a share of other data than {shares[0]} (accumulate again)")
        for word, blocks in more.items():
            if twice := sorted(blocks.keys() & sums[word].keys()):
                raise DataError(f"{path}: block {twice[0]} of word '{word}' comes twice (leave the file out)")
            sums[word].update(blocks)
    for word, blocks in sums.items():
        if len({tuple(_shapes(arrays).items()) for arrays in blocks.values()}) > 1:
            raise DataError(f"{out}: shares of other shapes, word '{word}' (accumulate again)")
    if any(len(blocks) < totals[word] for word, blocks in sums.items()):
        write_block_stats(out, sums, totals, belongs)
        return
    total = {
        word: added((blocks[number] for number in sorted(blocks)), _add) for word, blocks in sums.items()
    }
    write_stat_arrays(out, total, belongs)


def _add(arrays: Arrays, more: Arrays) -> Arrays:
    return {name: array + more[name] for name, array in arrays.items()}


def _shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


def _check_same_model(path: PathLike, model_hash: str, first: PathLike, belongs: str) -> None:
    if model_hash != belongs:
        raise DataError(f"{path}: made with another model than {first} (accumulate both with the same)")
