"""A training whose words advance together, an iteration's data being scored wherever an ordered map runs.

For few words with more data each than one worker should see: the models go out once an iteration, each run of blocks comes back as one
sum, and the sums are added in the order of the data, so that the models are those of one process.
"""

import functools
import hashlib

from asrkit.runtime import ordered_map
from asrkit.words.sums import RUN, Sum, added
from asrkit.words.training import Here


class Spread:
    """Who does the work of `asrkit.words.training.train_beside` in place of this process.

    Parameters
    ----------
    data : dict of str to asrkit.io.store.FileSource
        Each word's training utterances.
    jobs : int
        Processes, as of `ordered_map`.
    kept : asrkit.io.kept_sums.KeptSums, optional
        Where the sums of iterations are kept, and those of a killed training are found.
    """

    def __init__(self, data, jobs, kept=None):
        self._runs = {word: source.runs(RUN) for word, source in data.items()}
        self._jobs, self._kept, self._rounds = jobs, kept, 0

    def map(self, function, items):
        """Make the words' first models."""
        return ordered_map(function, items, jobs=self._jobs, label="words, first models")

    def accumulate(self, wanted, data):
        """What `asrkit.words.training.accumulate` gives, of wishes for all of a word's data."""
        self._rounds += 1
        digest = _digest(wanted)
        found = self._kept.take(digest) if self._kept else None
        if found is not None:
            return {
                key: _like(model, method, data[key[0]]).filled(arrays)
                for (key, (model, method)), arrays in zip(wanted.items(), found, strict=True)
            }
        items = [(key, run) for key in wanted for run in self._runs[key[0]]]
        parts = ordered_map(
            functools.partial(_sum_of, wanted), items, jobs=self._jobs, label=f"iteration {self._rounds}"
        )
        sums = {key: Sum() for key in wanted}
        for (key, _), part in zip(items, parts, strict=True):
            sums[key].add_run(part)
        totals = {key: own.total for key, own in sums.items()}
        if self._kept:
            self._kept.add(digest, [stats.to_arrays() for stats in totals.values()])
        return totals


def _sum_of(wanted, item):
    key, run = item
    return added(Here.accumulate({key: wanted[key]}, {key[0]: [block]})[key] for block in run)


def _like(model, method, source):
    """Sums of a model, to be filled with others."""
    return model.accumulate(next(iter(source.part([0]))), method)


def _digest(wanted):
    """SHA-256 of the models whose sums are wanted, as hex."""
    digest = hashlib.sha256()
    for key, (model, method) in wanted.items():
        digest.update(repr((key, method)).encode())
        for name, array in model.to_arrays().items():
            digest.update(repr((name, array.shape)).encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
