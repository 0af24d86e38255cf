"""Samples -> features of a self-supervised speech model: one hidden layer of wav2vec2, HuBERT, WavLM, XLS-R.
Arrays in, arrays out, no paths.
"""

from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.errors import DataError
from asrkit.features.kind import FeatureKind


@dataclass(frozen=True)
class SslConfig(FeatureKind):
    """What features of a self-supervised speech model depend on; `asrkit compute-ssl` finds all of it in the
    model's folder.
    """

    title = "a self-supervised model's"
    command = "compute-ssl"
    hears = False
    labels = ("ssl_model",)  # equal weights in another folder are the same model
    frame_shift_s = dim = None

    ssl_model: str = option("", "name of the model's folder; for people, not compared")
    ssl_weights: str = option("", "SHA-256 of the files with its weights")
    layer: int = option(
        0,
        "hidden layer: 0 is what the first transformer layer hears, k what the k-th gives",
        minimum=0,
        maximum=1000,
    )
    sample_rate_hz: int = option(
        16000,
        "rate that recordings are resampled to",
        flag="sample-frequency",
        minimum=100,
        maximum=10_000_000,
    )
    normalize: bool = option(True, "each utterance has mean 0 and variance 1 before the model hears it")

    def __post_init__(self):
        check_fields(self)

    @property
    def rate_hz(self):
        return self.sample_rate_hz

    def describe(self):
        return f"layer {self.layer} of the self-supervised model {self.ssl_model} at {self.sample_rate_hz} Hz"

    def compute(self, samples):
        raise DataError(
            "the model was trained on a self-supervised model's features, which come from that model's folder: it can decode "
            "such features (asrkit compute-ssl makes them), not recordings"
        )


def num_frames(num_samples, kernels, strides):
    """Frames that a stack of convolutions without padding makes of so many samples."""
    for kernel, stride in zip(kernels, strides, strict=True):
        num_samples = max(0, (num_samples - kernel) // stride + 1)
    return num_samples


def normalise(samples):
    """Mean 0 and variance 1 over the utterance, as the feature extractors of these models do it; float32."""
    x = np.asarray(samples, dtype=np.float64)
    return ((x - x.mean()) / np.sqrt(x.var() + 1e-7)).astype(np.float32)


def cut_above(model, layer):
    """Take off the layers that hidden layer `layer` does not need: less to hold, less to compute.

    One more than needed stays, so that the layer asked for is an inner one: what the last hidden state is,
    before or after the model's final normalisation, depends on the version of transformers.
    """
    model.encoder.layers = model.encoder.layers[: layer + 1]


def hidden_layer(model, samples, layer, normalize):
    """Hidden layer `layer` of one utterance.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Of wav2vec2's kind, in evaluation mode; layers above may have been cut off.
    samples : float32 (N,)
        At the model's rate.
    layer : int
        0 is what the first transformer layer hears, k what the k-th gives; the last is what the model gives,
        after its final normalisation where it has one.

    Returns
    -------
    numpy.ndarray
        float32 (T, D); T is 0 where the utterance is shorter than the convolutions' window.

    Raises
    ------
    ValueError
        The model makes another number of frames than its convolutions.
    """
    import torch

    frames = num_frames(len(samples), model.config.conv_kernel, model.config.conv_stride)
    if not frames:
        return np.zeros((0, model.config.hidden_size), dtype=np.float32)
    heard = normalise(samples) if normalize else np.asarray(samples, dtype=np.float32)
    with torch.inference_mode():
        # One utterance at a time: padding would change the features where the convolutions are normalised
        # over time.
        out = model(torch.from_numpy(heard)[None].to(model.device), output_hidden_states=True)
        hidden = (
            out.last_hidden_state if layer == model.config.num_hidden_layers else out.hidden_states[layer]
        )
        feats = hidden[0].float().cpu().numpy()
    if len(feats) != frames:
        raise ValueError(
            f"{len(feats)} frames of {len(samples)} samples, where its convolutions make {frames}: a model of another kind"
        )
    return feats
