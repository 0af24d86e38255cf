"""A corpus on its way through training: gone through once, then kept by utterance, in memory or in a
temporary file.

What lies in memory is bounded whatever the size of the corpus: beyond `MEMORY` the features are in a file and
come back in blocks of about `BLOCK` frames, cut by the data alone.
"""

import contextlib
import hashlib
import os
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from asrkit.errors import DataError
from asrkit.io.places import RemotePath, as_path
from asrkit.io.temporaries import make_temporary
from asrkit.models.base import Block, chunks

MEMORY = 128 << 20  # bytes of observations above which they go to a file
KEEP = 400_000  # frames up to which emissions may keep what they prepare of a block (about 0.7 KB a frame)
BLOCK = 32_768  # frames


class Store:
    """The observations of a FeatureSet.

    Attributes
    ----------
    utts : list of str
        In the order of the data directory.
    words : dict of str to str
        What each utterance says.
    data_hash : str
        SHA-256 over names, words and features: two trainings on equal data have equal hashes.
    """

    def __init__(self, features, folder, observe=None, keep=None):
        """Read all.

        Parameters
        ----------
        features : FeatureSet
        folder : path or None
            Where a temporary file may lie while the Store lives; it is made when needed. None, and a URL: where the system has them.
        observe : callable, optional
            Model features -> what is kept of them, such as their codes.
        keep : callable, optional
            Which utterances are kept at all, of those that are read: called with word and number of frames of each, in their order.
        """
        self.utts, self.words, self._arrays, self._places, self._file, self._path = [], {}, {}, {}, None, None
        here = folder is not None and not isinstance(as_path(folder), RemotePath)
        self._folder, self._size = as_path(folder if here else tempfile.gettempdir()), 0
        self._sums = None
        digest = hashlib.sha256()
        for some in chunks(features if keep is None else _chosen(features, keep)):
            kept = [feats for _, feats in some]
            if observe is not None:
                kept = np.split(observe(np.concatenate(kept)), np.cumsum([len(feats) for feats in kept])[:-1])
            for (utt, feats), own in zip(some, kept, strict=True):
                word = features.word(utt)
                digest.update(f"{utt} {word} {feats.shape}\n".encode())
                digest.update(feats)
                self.utts.append(utt)
                self.words[utt] = word
                self._add(utt, own)
                if observe is None:
                    self._sum(feats)
        self.data_hash = digest.hexdigest()
        if self._file is not None:
            self._file.flush()
        self._keep = False
        if self._file is None and self.utts:
            self._keep = self._size / max(self.read(self.utts[:1]).obs[:1].nbytes, 1) <= KEEP

    def _add(self, utt, array):
        self._size += array.nbytes
        if self._file is None and self._size > MEMORY:
            self._to_file()
        if self._file is None:
            self._arrays[utt] = array
        else:
            self._write(utt, array)

    def _sum(self, feats):
        """Add to the sums that `variance` is made of: about the first utterance's mean, lest squares drown it."""
        if self._sums is None:
            self._middle, self._sums = feats.mean(axis=0, dtype=np.float64), np.zeros((2, feats.shape[1]))
            self._frames = 0
        x = feats - self._middle
        self._sums += x.sum(axis=0), np.einsum("nd,nd->d", x, x)
        self._frames += len(x)

    @property
    def variance(self):
        """(D,): of each dimension over all frames; None where the observations are codes."""
        if self._sums is None:
            return None
        first, second = self._sums / self._frames
        return np.maximum(second - first**2, 0.0)

    def _to_file(self):
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, path = make_temporary(self._folder, "features")
            self._file = os.fdopen(handle, "wb")
            self._path = path
            weakref.finalize(self, _close_and_remove, self._file, path)
        except OSError as error:
            raise DataError(
                f"{self._folder}: cannot be written: {error.strerror} (choose another output folder)"
            ) from None
        for utt, array in self._arrays.items():
            self._write(utt, array)
        self._arrays = {}

    def _write(self, utt, array):
        self._places[utt] = self._file.tell(), array.shape, array.dtype
        try:
            self._file.write(np.ascontiguousarray(array).data)
        except OSError as error:
            raise DataError(
                f"{self._folder}: the features need a temporary file there: {error.strerror}"
            ) from None

    def read(self, utts, keep=False):
        """The Block of some utterances."""
        if self._file is None:
            return Block.from_items(((utt, self._arrays[utt]) for utt in utts), keep)
        return read_block(self._path, {utt: self._places[utt] for utt in utts})

    @property
    def in_file(self):
        """Whether the observations are in a file, and sources are places in it."""
        return self._file is not None

    def length(self, utt):
        return len(self._arrays[utt]) if self._file is None else self._places[utt][1][0]

    def source(self, utts):
        """A BlockSource of some utterances that can go to another process."""
        blocks = cut_blocks({utt: self.length(utt) for utt in utts})
        if self._file is None:
            return MemorySource([self.read(block, self._keep) for block in blocks], self.variance)
        places = [{utt: self._places[utt] for utt in block} for block in blocks]
        return FileSource(self._path, places, self.variance)

    def sample(self, utts, num_frames):
        """About `num_frames` frames: whole utterances, spread evenly over all."""
        return self.source(utts).sample(num_frames)


def _chosen(features, keep):
    return ((utt, feats) for utt, feats in features if keep(features.word(utt), len(feats)))


def _close_and_remove(stream, path):
    with contextlib.suppress(OSError):  # a full disk
        stream.close()
    with contextlib.suppress(OSError):
        os.unlink(path)


class Source(ABC):
    """A word's utterances as blocks, cut by the data alone."""

    def __init__(self, blocks, lengths, variance=None):
        self._blocks, self._lengths, self._variance = blocks, lengths, variance

    @abstractmethod
    def __iter__(self) -> Iterator[Block]:
        """Go through the blocks."""

    @abstractmethod
    def _names(self):
        """Give the utterances of each block."""

    def sample(self, num_frames):
        """A Block of about that many frames: whole utterances, the shortest and others spread evenly over
        all. It knows the variance over all words.
        """
        lengths = np.concatenate(self._lengths)
        share = min(1.0, num_frames / max(lengths.sum(), 1))
        if share == 1.0 and len(self._blocks) == 1:
            return replace(next(iter(self)), variance=self._variance)
        chosen = np.floor(np.arange(1, len(lengths) + 1) * share) > np.floor(np.arange(len(lengths)) * share)
        chosen[lengths.argmin()] = True
        items = [item for block in self.part(np.flatnonzero(chosen)) for item in block.items()]
        return replace(Block.from_items(items), variance=self._variance)

    @abstractmethod
    def part(self, places):
        """The Source of some utterances, by their places, ascending."""

    def _of_blocks(self, places):
        """[(block, places in it)] of the blocks that have some of the places."""
        counts = np.array([len(own) for own in self._lengths])
        ends = np.cumsum(counts)
        cut = np.split(places, np.searchsorted(places, ends[:-1]))
        return [
            (block, own - (end - count))
            for block, own, end, count in zip(self._blocks, cut, ends, counts, strict=True)
            if len(own)
        ]

    @property
    def lengths(self):
        return np.concatenate(self._lengths)

    @property
    def utts(self):
        return [utt for part in self._names() for utt in part]


class MemorySource(Source):
    def __init__(self, blocks, variance=None):
        super().__init__(blocks, [block.lengths for block in blocks], variance)

    def __iter__(self):
        return iter(self._blocks)

    def part(self, places):
        items = [item for block, own in self._of_blocks(places) for item in block.select(own).items()]
        return MemorySource([Block.from_items(items, self._blocks[0].keep)], self._variance)

    def _names(self):
        return [block.utts for block in self._blocks]


class FileSource(Source):
    def __init__(self, path, blocks, variance=None):
        lengths = [np.array([shape[0] for _, shape, _ in places.values()]) for places in blocks]
        super().__init__(blocks, lengths, variance)
        self._path = path

    def __iter__(self):
        return (read_block(self._path, places) for places in self._blocks)

    def part(self, places):
        found = {}
        for block, own in self._of_blocks(places):
            utts = list(block)
            found.update((utts[place], block[utts[place]]) for place in own)
        cut = cut_blocks({utt: shape[0] for utt, (_, shape, _) in found.items()})
        return FileSource(self._path, [{utt: found[utt] for utt in utts} for utts in cut], self._variance)

    def runs(self, count):
        """Cut into runs of `count` blocks: list of FileRun, which are small where they travel."""
        return [
            FileRun(self._path, self._blocks[at : at + count]) for at in range(0, len(self._blocks), count)
        ]

    def _names(self):
        return self._blocks


class FileRun:
    """Blocks in a file of arrays, their utterances without names: 12 bytes an utterance."""

    def __init__(self, path, blocks):
        """Take some of a FileSource's blocks."""
        _, shape, self._dtype = next(iter(blocks[0].values()))
        self._path, self._tail = path, shape[1:]
        self._blocks = [
            (
                np.array([offset for offset, _, _ in block.values()], dtype=np.int64),
                np.array([shape[0] for _, shape, _ in block.values()], dtype=np.int32),
            )
            for block in blocks
        ]

    def __iter__(self):
        for offsets, lengths in self._blocks:
            places = {
                str(place): (int(offset), (int(length), *self._tail), self._dtype)
                for place, (offset, length) in enumerate(zip(offsets, lengths, strict=True))
            }
            yield read_block(self._path, places)


class Share:
    """Every `parts`-th block of a corpus, cut as the whole corpus is cut: who has all shares has its blocks.

    Attributes
    ----------
    blocks : dict of str to list of int
        Numbers of the blocks of each word that are in this share.
    totals : dict of str to int
        How many blocks each word has.
    """

    def __init__(self, words, part, parts):
        """Begin, with the words in their order; parts count from 1."""
        self._first = {word: (part - 1 - place) % parts for place, word in enumerate(words)}
        self._parts, self._frames = parts, {}
        self.blocks, self.totals = {word: [] for word in words}, dict.fromkeys(words, 0)

    def takes(self, word, length):
        """Whether the word's next utterance is in this share; a word that is unknown is, for an error."""
        if word not in self.totals:
            return True
        if not self.totals[word] or self._frames[word] >= BLOCK:
            self.totals[word] += 1
            self._frames[word] = 0
            if self._mine(word, self.totals[word] - 1):
                self.blocks[word].append(self.totals[word] - 1)
        self._frames[word] += length
        return self._mine(word, self.totals[word] - 1)

    def _mine(self, word, block):
        return block % self._parts == self._first[word]

    def close(self):
        """Give a word of which the corpus has nothing a block of nothing, in one of the shares."""
        for word, total in self.totals.items():
            if not total:
                self.totals[word] = 1
                self.blocks[word] = [0] if self._mine(word, 0) else []


def cut_blocks(lengths):
    """Utterances (dict of utt to frames) in runs of about `BLOCK` frames: list of lists."""
    blocks, frames = [[]], 0
    for utt, length in lengths.items():
        if frames >= BLOCK:
            blocks.append([])
            frames = 0
        blocks[-1].append(utt)
        frames += length
    return blocks


def read_block(path, places):
    """The Block of utterances in a file of arrays; `places` is utt -> (offset, shape, dtype)."""
    (_, shape, dtype), *_ = places.values()
    starts = np.cumsum([0, *(shape[0] for _, shape, _ in places.values())]).tolist()
    obs = np.empty((starts[-1], *shape[1:]), dtype=dtype)
    size = obs[:1].nbytes
    spans: list[list[int]] = []  # first row, last row and offset of what lies together in the file
    for start, end, (offset, _, _) in zip(starts, starts[1:], places.values(), strict=False):
        if spans and offset == spans[-1][2] + (start - spans[-1][0]) * size:
            spans[-1][1] = end
        else:
            spans.append([start, end, offset])
    with open(path, "rb", buffering=0) as stream:
        for start, end, offset in spans:
            stream.seek(offset)
            if stream.readinto(obs[start:end]) != (end - start) * size:
                raise DataError(f"{path}: the temporary file of features is cut off (start again)")
    return Block(tuple(places), obs, np.array(starts, dtype=np.int64))
