"""The lines of train.jsonl: how a model explains its data."""

import numpy as np


def log_entry(model, stats, method, phase, iteration, removed):
    """Say how a model explains its data: a dict, the line of train.jsonl but for `word` and `start`.

    Parameters
    ----------
    stats : WordStats
        Made with the model.
    removed : int (S,)
        Gaussians that its estimation removed, by state.
    """
    return {
        "iteration": iteration,
        "phase": phase,
        "method": method,
        "objective": stats.log_like,
        "per_frame": stats.log_like / max(stats.frames, 1),
        "frames": stats.frames,
        "utts": stats.utts,
        "skipped": stats.skipped,
        "states": model.num_states,
        "gaussians": model.num_gauss,
        "removed": int(removed.sum()),
        "removed_states": _by_state(removed, stats),
        "floored": int(model.floored.sum()),
        "floored_states": _by_state(model.floored, stats),
        "ending": None,
    }


def _by_state(counts, stats):
    """[state, how many, the state's frames] wherever there are any."""
    states = np.flatnonzero(counts)
    occupancy = stats.occupancy if len(states) else None
    return [[int(s), int(counts[s]), round(float(occupancy[s]), 2)] for s in states]
