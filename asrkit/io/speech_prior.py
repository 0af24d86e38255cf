"""What a vocabulary that nobody trained starts from: how speech varies, measured on many speakers, in a file of the package."""

import json
from pathlib import Path

import numpy as np

from asrkit.features.frontend import FrontEnd
from asrkit.words.kept import Pool

FILE = Path(__file__).with_suffix(".json")  # tools/speech_prior.py makes it


def read_speech_prior() -> tuple[FrontEnd, Pool]:
    """Read the front end and what the states of words have in common in it."""
    values = json.loads(FILE.read_text(encoding="utf-8"))
    frontend = FrontEnd.from_dict(values["frontend"])
    covariance = np.zeros((frontend.model_dim, frontend.model_dim))
    for row, own in enumerate(values["covariance"]):  # the lower triangle
        covariance[row, : row + 1] = covariance[: row + 1, row] = own
    return frontend, Pool(np.array(values["mean"]), covariance, float(values["log_spread"]))


def speech_prior_text(frontend: FrontEnd, pool: Pool, about: str) -> str:
    """Write what `read_speech_prior` reads."""

    def short(values: np.ndarray) -> list[float]:
        return [float(f"{value:.5g}") for value in values]

    made = frontend.to_dict()
    made["prior"] = {name: short(values) for name, values in made["prior"].items()}
    values = {
        "about": about,
        "frontend": made,
        "log_spread": float(f"{pool.log_spread:.5g}"),
        "mean": short(pool.mean),
    }
    rows = ",\n  ".join(json.dumps(short(row[: n + 1])) for n, row in enumerate(pool.covariance))
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items()]
    return "{\n" + ",\n".join([*lines, f' "covariance": [\n  {rows}\n ]']) + "\n}\n"
