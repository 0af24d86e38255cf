"""Words that a training has finished, kept beside the model to be until it is whole."""

import contextlib
import hashlib
import io
import json
import logging
import time

import numpy as np

from asrkit import families
from asrkit.distribution import VERSION
from asrkit.errors import DataError, StoreError
from asrkit.io.kept_steps import KeptSteps, remove_steps
from asrkit.io.kept_sums import KeptSums
from asrkit.io.pieces import pieces

FOLDER = ".train.asrkit-part"
LAST = "last"  # where another number stands for an iteration
KEEP_S = 2.0  # a training that takes less writes nothing but its model

log = logging.getLogger("asrkit")


class KeptGroups:
    """The groups of words that are done, in order, each as what `train_beside` of asrkit.words.training gives: its results, and the
    histories, none of them where they are not kept.
    """

    def __init__(self, folder, settings, codebook, data_hash, keep_s=KEEP_S, keep_iterations=False):
        """Find what a killed training of the same settings and data has left.

        Parameters
        ----------
        folder : path
            Of the model to be.
        settings : list of TrainingSettings
        codebook : Codebook or None
        data_hash : str
        keep_s : float
            Seconds of finished work that a kill may cost.
        keep_iterations : bool
            The groups have histories.
        """
        arrays = {} if codebook is None else codebook.to_arrays()
        signature = {
            "versions": [VERSION, np.__version__],
            "settings": [[own.family, own.values()] for own in settings],
            "codebook": {name: array.tolist() for name, array in arrays.items()},
            "data": data_hash,
            "iterations": keep_iterations,
        }
        self._folder, self._sums = folder, None
        self._signature = hashlib.sha256(
            json.dumps(signature, sort_keys=True, default=str).encode()
        ).hexdigest()
        self._family, self._keep_s = families.load(settings[0].family), keep_s
        self._pieces, self._waiting, self._since = pieces(folder / FOLDER, signature), [], time.monotonic()

    def results(self):
        """What is done: list of (one dict of word to (WordModel, entries) a setting, one dict of word to WordModels a setting)."""
        return [self._decode(place, facts) for place, facts in enumerate(self._pieces.facts)]

    def add(self, results):
        """Take another group; written together, a few seconds' worth at once."""
        if self._pieces is None:
            return
        self._waiting.append(results)
        if time.monotonic() - self._since < self._keep_s:
            return
        try:
            for waiting in self._waiting:
                self._pieces.append(*encode(waiting))
        except (DataError, StoreError) as error:
            log.warning("%s: what is done is not kept, if this training is killed", error)
            with contextlib.suppress(StoreError):
                self._pieces.remove()
            self._pieces = None
        self._waiting, self._since = [], time.monotonic()

    def steps(self, number):
        """Where the training of group `number` keeps how far it is."""
        return KeptSteps(self._folder, number, self._signature, self._keep_s)

    def sums(self):
        """Where the training of all groups that are left keeps its iterations' sums."""
        self._sums = self._sums or KeptSums(self._folder, self._signature, self._keep_s)
        return self._sums

    def remove(self):
        remove_steps(self._folder)
        self.sums().remove()
        if self._pieces is not None:
            self._pieces.remove()

    def close(self):
        if self._sums is not None:
            self._sums.close()
        if self._pieces is not None:
            self._pieces.close()

    def _decode(self, place, facts):
        models, iterations = {}, {}
        with np.load(io.BytesIO(self._pieces.read(place)), allow_pickle=False) as archive:
            for key in archive.files:
                number, index, iteration, name = key.split(".", 3)
                own = models if iteration == LAST else iterations.setdefault((int(number), int(index)), {})
                at = (int(number), int(index)) if iteration == LAST else int(iteration)
                own.setdefault(at, {})[name] = archive[key]
        make = self._family.from_arrays
        results = [
            {word: (make(models[number, index]), entries) for index, (word, entries) in enumerate(words)}
            for number, words in enumerate(facts)
        ]
        histories = [
            {
                word: [make(arrays) for _, arrays in sorted(iterations[number, index].items())]
                for index, (word, _) in enumerate(words)
            }
            for number, words in enumerate(facts if iterations else [])
        ]
        return results, histories


def encode(group):
    """(bytes of a .npz file, facts) of a group."""
    results, histories = group
    arrays, stream = {}, io.BytesIO()

    def add(place, model):
        arrays.update({f"{place}.{name}": array for name, array in model.to_arrays().items()})

    for number, words in enumerate(results):
        for index, (model, _) in enumerate(words.values()):
            add(f"{number}.{index}.{LAST}", model)
    for number, words in enumerate(histories):
        for index, models in enumerate(words.values()):
            for iteration, model in enumerate(models):
                add(f"{number}.{index}.{iteration}", model)
    np.savez(stream, **arrays)
    return stream.getvalue(), [[[word, entries] for word, (_, entries) in own.items()] for own in results]
