"""Noise made of recordings: babble of other speakers, and stretches of recorded noise."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asrkit.audio.perturbation import SILENT, babble_noise, stretch
from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import first_reasons
from asrkit.io.files import c_sorted
from asrkit.io.recordings import cut, recordings

MAX_CACHE_BYTES = 100e6  # recordings are kept in memory up to this, in each process


@dataclass(frozen=True)
class NoiseSource:
    """Data directories whose recordings make noise; can be sent to another process.

    Attributes
    ----------
    noise_dir : path or None
        Of recorded noise.
    babble_dir : path
        Of the speakers who babble.
    babble_voices : int
        Speakers that babble at once.
    allow_pipes : bool
        Run shell pipes found in wav.scp.
    run : int
        Tells what this run keeps in memory from what another did.
    """

    noise_dir: PathLike | None
    babble_dir: PathLike
    babble_voices: int
    allow_pipes: bool
    run: int

    def check(self, kinds, speakers):
        """Open the directories before the work begins.

        Parameters
        ----------
        kinds : sequence of str
            Kinds of noise that will be asked for.
        speakers : set of str
            Those who will be in the noise, none of whom may babble alone.

        Raises
        ------
        DataError
            A directory can't be used.
        """
        if "babble" in kinds:
            pool = _read_pool(self.babble_dir, self.run)
            if len(pool.speakers) == 1 and pool.speakers[0] in speakers:
                raise DataError(
                    f"{self.babble_dir}: only speaker '{pool.speakers[0]}', whom nobody else can drown "
                    "(babble_dir=DIR names others)"
                )
        if "recorded" in kinds:
            _read_pool(self.noise_dir, self.run)

    def take(self, kind, count, rng, *, rate_hz, speaker, unusable):
        """Make `count` samples of noise.

        Parameters
        ----------
        kind : {"babble", "recorded"}
        count : int
        rng : numpy.random.Generator
        rate_hz : int
        speaker : str
            Who does not babble.
        unusable : dict of str to str
            Gets the recordings that can't be read, with the reasons.

        Returns
        -------
        numpy.ndarray
            float (count,)

        Raises
        ------
        DataError
            No recording makes a noise.
        """
        if kind == "babble":
            pool = _read_pool(self.babble_dir, self.run)
            voices = [
                self._read(pool, _shuffled(pool.by_speaker[name], rng), rate_hz, unusable)
                for name in _draw_speakers(pool, self.babble_voices, speaker, rng)
            ]
            return babble_noise(count, voices, rng)
        pool = _read_pool(self.noise_dir, self.run)
        for samples in self._read(pool, _shuffled(pool.parts, rng), rate_hz, unusable):
            noise = stretch(count, samples, rng)
            if np.std(noise) > SILENT:
                return noise
        raise DataError(f"{self.noise_dir}: no recording that makes a noise{first_reasons(unusable)}")

    def _read(self, pool, parts, rate_hz, unusable):
        """Yield the samples of those of `parts` that can be read."""
        for name, channel, start_s, end_s in parts:
            key = (self.run, pool.base, name, channel, rate_hz)
            try:
                samples = _recent.get(key, functools.partial(self._read_whole, pool, name, channel, rate_hz))
                samples = cut(samples, rate_hz, start_s, end_s)
            except DataError as error:
                unusable[name] = str(error)
                continue
            yield samples

    def _read_whole(self, pool, name, channel, rate_hz):
        return read_audio(
            name,
            rate=rate_hz,
            base=pool.base,
            stated=channel,
            allow_pipes=self.allow_pipes,
            on_remarks=lambda _: None,
        )[0]


@dataclass(frozen=True)
class _Pool:
    """Utterances that noise is made of, as (file, stated channel or None, start_s, end_s): all, and by speaker."""

    base: Path
    parts: list
    by_speaker: dict
    speakers: list
    index: dict


@functools.lru_cache(maxsize=2)
def _read_pool(directory, run):
    data = read_data_dir(directory, require=("wav.scp",))
    parts, by_speaker = [], {}
    for recording in recordings(data):
        for utt, start_s, end_s in recording.parts:
            parts.append((recording.entry, recording.channel, start_s, end_s))
            by_speaker.setdefault(data.speaker(utt), []).append(parts[-1])
    if not parts:
        raise DataError(
            f"{data.path}: no utterances to make noise of (asrkit prepare-wavs makes a data directory)"
        )
    speakers = c_sorted(by_speaker)
    return _Pool(data.path, parts, by_speaker, speakers, {speaker: i for i, speaker in enumerate(speakers)})


def _draw_speakers(pool, voices, speaker, rng):
    """Draw as many different speakers as there are, none of them `speaker`; if they are fewer than the
    voices, they come again.
    """
    own = pool.index.get(speaker, len(pool.speakers))
    others = len(pool.speakers) - (speaker in pool.index)
    drawn = np.resize(rng.choice(others, min(voices, others), replace=False), voices)
    return [pool.speakers[i + (i >= own)] for i in drawn]


def _shuffled(parts, rng):
    """Bring `parts` into random order; it is drawn now, not when the first is asked for."""
    return (parts[i] for i in rng.permutation(len(parts)))


class _Cache:
    """Arrays by key; those that were not asked for the longest go when they are too much for the memory."""

    def __init__(self):
        self.held, self.size = {}, 0

    def get(self, key, make):
        if key in self.held:
            array = self.held.pop(key)
        else:
            array = make()
            self.size += array.nbytes
        self.held[key] = array  # now the last
        while self.size > MAX_CACHE_BYTES:
            self.size -= self.held.pop(next(iter(self.held))).nbytes
        return array


_recent = _Cache()  # of this process: its chunks share it
