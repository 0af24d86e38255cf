"""Speaker files: what is known of a speaker, as `.npz` of arrays and a `meta` JSON string."""

import os
from dataclasses import asdict

import numpy as np

from asrkit.config import from_dict
from asrkit.errors import DataError
from asrkit.features.kind import load
from asrkit.io.model_file import fitting, read_npz, write_npz
from asrkit.io.places import RemotePath, as_path
from asrkit.models.base import check_array
from asrkit.words.memory import Memory

KIND = "speaker"


def check_writable(path):
    """Raise a DataError where a speaker's file could not be written at the end: much may have been heard by then."""
    path = as_path(path)
    if isinstance(path, RemotePath):
        return
    there = next(own for own in path.absolute().parents if own.exists())  # the others are made
    if path.is_dir() or not there.is_dir() or not os.access(path if path.exists() else there, os.W_OK):
        raise DataError(f"{path}: what is known of the speaker can't be written there (name another file)")


def write_memory(path, memory):
    meta = {
        "dim": memory.dim,
        "kind": memory.kind.name,
        "settings": asdict(memory.kind),
        "recordings": memory.recordings,
        "step": memory.step,
    }
    lengths = np.array([len(own) for own in memory.kept], dtype=np.int64)
    kept = np.concatenate(memory.kept) if memory.kept else np.zeros((0, memory.dim), dtype=np.float32)
    then = np.zeros_like(memory.stats) if memory.step_stats is None else memory.step_stats
    write_npz(path, KIND, meta, {"stats": memory.stats, "step_stats": then, "lengths": lengths, "kept": kept})


def read_memory(path):
    """Read what `write_memory` wrote."""
    meta, arrays = read_npz(path, KIND)
    with fitting(path):
        dim, recordings, stats = int(meta["dim"]), int(meta["recordings"]), arrays["stats"]
        for name in ("stats", "step_stats"):
            check_array(name, arrays[name], (2, dim + 1))
        if not 0 <= recordings <= stats[0, -1] or (stats[1] < 0).any():
            raise ValueError("its sums are none of recordings")
        kept, lengths, step = arrays["kept"], arrays["lengths"], int(meta["step"])
        if kept.dtype != np.float32 or kept.shape != (lengths.sum(), dim) or not np.isfinite(kept).all():
            raise ValueError("what it keeps are no features")
        if (lengths < 1).any() or len(lengths) > recordings or not 0 <= step <= recordings:
            raise ValueError("what it keeps are none of its recordings")
        parts = tuple(np.split(kept, np.cumsum(lengths)[:-1])) if len(lengths) else ()
        kind = from_dict(load(meta["kind"]), meta["settings"])
        return Memory(dim, kind, recordings, stats, parts, step, arrays["step_stats"] if step else None)
