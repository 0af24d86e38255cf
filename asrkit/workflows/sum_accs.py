"""Add the statistics of several accumulation passes -> OUT."""

from collections.abc import Sequence

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.model_file import read_stats, write_stat_arrays


def sum_accs(out: PathLike, stats_files: Sequence[PathLike]) -> None:
    """Add files of sums, in their order, and write the total.

    Raises
    ------
    DataError
        They were made with different models, or have other words or shapes.
    """
    total, belongs = read_stats(stats_files[0])
    for path in stats_files[1:]:
        more, model_hash = read_stats(path)
        if model_hash != belongs:
            raise DataError(
                f"{path}: made with another model than {stats_files[0]} (accumulate both with the same)"
            )
        if {w: {n: a.shape for n, a in s.items()} for w, s in more.items()} != {
            w: {n: a.shape for n, a in s.items()} for w, s in total.items()
        }:
            raise DataError(f"{path}: words or shapes other than in {stats_files[0]} (accumulate again)")
        total = {
            word: {name: array + more[word][name] for name, array in arrays.items()}
            for word, arrays in total.items()
        }
    write_stat_arrays(out, total, belongs)
