"""Features of recordings as a model wants them, made in memory: for a data directory that has none stored."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from asrkit.audio.endpoint import find_speech
from asrkit.features.frontend import FrontEnd
from asrkit.io.data_dir import DataDir
from asrkit.io.features import FeatureSet, ReadConfig, open_features
from asrkit.io.recordings import CHUNK, in_chunks, recordings
from asrkit.io.remarks import warn_of
from asrkit.runtime import ordered_map
from asrkit.workflows.extraction import RecordingConfig, extract_chunk, warn_of_slow, warn_of_untrimmed


def features_of_recordings(
    data: DataDir, made: FrontEnd, read: ReadConfig, jobs: int = 1, **options: Any
) -> FeatureSet:
    """Make the features of a data directory's recordings, as `compute-mfcc --like` would store them.

    Where the model's training found the speech in its recordings, and no segments say where it lies, it is found here, too.

    Parameters
    ----------
    data : DataDir
        With wav.scp.
    made : FrontEnd
        The model's: how features are made.
    jobs : int
        Processes; the result does not depend on it.
    **options
        Of `asrkit.io.features.open_features`: `frontend`, `warps`, `memories`, `shortest`.

    Raises
    ------
    DataError
        The model's features can't be made of recordings, or no recording could be used.
    """
    made.check_hears()
    rate_hz = made.kind.rate_hz
    assert rate_hz is not None  # of a kind that hears
    work, compute = recordings(data), made.kind.compute_many
    if made.endpoint is not None and not data.segments:
        compute = functools.partial(compute_speech, made)
    else:
        warn_of_untrimmed(data, 0, jobs)
    extract = functools.partial(
        extract_chunk,
        compute=compute,
        rate_hz=rate_hz,
        base=data.path,
        channel=RecordingConfig.channel,
        strict=RecordingConfig.strict,
        allow_pipes=read.allow_pipes,
        allowed=(True, True),
        durations_s=(0.0, np.inf),
    )
    arrays, reasons, remarks, rates = {}, {}, {}, {}
    for rows in ordered_map(extract, in_chunks(work, CHUNK), jobs=jobs, label=f"recordings, {CHUNK} a step"):
        for utt, feats, _, own_hz, odd, reason in rows:
            remarks[utt] = odd
            if reason:
                reasons[utt] = reason
            else:
                arrays[utt], rates[utt] = feats, own_hz
    warn_of(remarks)
    warn_of_slow(rates, rate_hz)

    def matrices(
        scp: dict[str, str], skipped: dict[str, str], dim: int | None
    ) -> Iterator[tuple[str, np.ndarray]]:
        skipped.update((utt, reasons[utt]) for utt in scp if utt in reasons)
        return ((utt, arrays[utt]) for utt in scp if utt not in reasons)

    utts = [utt for recording in work for utt, _, _ in recording.parts]
    heard = replace(data, feats=dict.fromkeys(utts, ""))
    return open_features(heard, matrices, made.kind, made.endpoint, None, **options)


def compute_speech(made: FrontEnd, recordings: list[np.ndarray]) -> list[np.ndarray]:
    """Make features of what is speech in recordings (N,), as the training found it; of all of one where nothing is found."""
    assert made.endpoint is not None and made.kind.rate_hz is not None
    rate_hz = made.kind.rate_hz
    parts = []
    for samples in recordings:
        found = find_speech([samples], rate_hz, made.endpoint)
        if found is not None:
            samples = samples[int(found.start_s * rate_hz) : int(found.end_s * rate_hz)]
        parts.append(samples)
    return made.kind.compute_many(parts)
