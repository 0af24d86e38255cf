"""Compute features of a self-supervised speech model that lies in a local folder."""

import functools
from typing import Any

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.features.kinds.ssl import SslConfig, hidden_layer
from asrkit.io.features import ReadConfig
from asrkit.io.ssl_model import describe_ssl, load_ssl
from asrkit.workflows.compute_features import Computed, RecordingConfig, compute_features
from asrkit.workflows.model_kind import model_kind

CHUNK = 8  # recordings a unit of work; fixed, so that nothing depends on the number of jobs


def compute_ssl(
    data_dir: PathLike,
    model: PathLike,
    options: RecordingConfig | None = None,
    *,
    layer: int | None = None,
    like: PathLike | None = None,
    device: str = "cpu",
    max_duration: float = 60.0,
    read: ReadConfig | None = None,
    jobs: int = 1,
) -> Computed:
    """Compute a hidden layer of all utterances and write it as their features.

    Parameters
    ----------
    model : path
        Folder with the model, as transformers writes it.
    layer : int, optional
        Hidden layer; negative counts from the end. By default that of `like`, else the last.
    like : path, optional
        A model whose features these shall equal: other weights or another layer are refused.
    device : {"cpu", "cuda"}
    max_duration : float
        Seconds; longer utterances are skipped.
    """
    if layer is None:
        kind = None if like is None else model_kind(like, "ssl")
        layer = kind.layer if isinstance(kind, SslConfig) else -1
    about = describe_ssl(model, layer)
    return compute_features(
        data_dir,
        about.config,
        options,
        like=like,
        read=read,
        jobs=jobs,
        compute=functools.partial(ssl_features, folder=model, config=about.config, device=device),
        frame_shift_s=about.stride / about.config.sample_rate_hz,
        chunk=CHUNK,
        max_duration_s=max_duration,
    )


def ssl_features(samples: np.ndarray, folder: Any, config: SslConfig, device: str) -> np.ndarray:
    """float32 (T, D) of one utterance; a process loads the model when it needs it first."""
    model = load_ssl(folder, config.layer, device)
    try:
        return hidden_layer(model, samples, config.layer, config.normalize)
    except (ValueError, RuntimeError) as error:  # torch has its lack of memory as a RuntimeError
        raise DataError(f"{folder}: an utterance of {len(samples)} samples: {error}") from None
