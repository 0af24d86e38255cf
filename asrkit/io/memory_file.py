"""Speaker files: what is known of a speaker, as `.npz` of arrays and a `meta` JSON string."""

from dataclasses import asdict

from asrkit.config import from_dict
from asrkit.features.kind import load
from asrkit.io.model_file import fitting, read_npz, write_npz
from asrkit.models.base import check_array
from asrkit.words.memory import Memory

KIND = "speaker"


def write_memory(path, memory):
    meta = {
        "dim": memory.dim,
        "kind": memory.kind.name,
        "settings": asdict(memory.kind),
        "recordings": memory.recordings,
    }
    write_npz(path, KIND, meta, {"stats": memory.stats})


def read_memory(path):
    """Read what `write_memory` wrote."""
    meta, arrays = read_npz(path, KIND)
    with fitting(path):
        dim, recordings, stats = int(meta["dim"]), int(meta["recordings"]), arrays["stats"]
        check_array("stats", stats, (2, dim + 1))
        if not 0 <= recordings <= stats[0, -1] or (stats[1] < 0).any():
            raise ValueError("its sums are none of recordings")
        return Memory(dim, from_dict(load(meta["kind"]), meta["settings"]), recordings, stats)
