"""Self-supervised speech models in a local folder, as transformers' save_pretrained writes it. Nothing is
ever downloaded.
"""

import functools
import hashlib
import math
from dataclasses import dataclass

from asrkit.distribution import missing_extra
from asrkit.errors import DataError, SettingsError
from asrkit.features.kinds.ssl import SslConfig, cut_above
from asrkit.io.json_file import read_object
from asrkit.io.places import local
from asrkit.io.reading import reading
from asrkit.runtime import stay_offline

# stands for masked frames, of which only training has any: a checkpoint may lack it
UNUSED = {"masked_spec_embed"}
BLOCK = 1 << 20  # bytes
FETCH = "fetch the folder anew"


@dataclass(frozen=True)
class SslModel:
    """What a model's folder says, before its weights are loaded.

    Attributes
    ----------
    config : SslConfig
    stride : int
        Samples from frame to frame.
    """

    config: SslConfig
    stride: int


def libraries():
    """(torch, transformers), or a DataError that says how to get them."""
    stay_offline()
    try:
        import torch
        import transformers
    except ImportError as error:
        what = "features of self-supervised models need torch and transformers"
        raise missing_extra("ssl", what, error) from None
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return torch, transformers


def describe_ssl(folder, layer):
    """What the folder of a model says of it.

    Parameters
    ----------
    layer : int
        Negative: from the end, -1 being the last.

    Returns
    -------
    SslModel

    Raises
    ------
    SettingsError
        There is no such layer.
    DataError
        The folder holds no model of wav2vec2's kind.
    """
    _, transformers = libraries()
    folder = local(folder, "the model")
    if not (folder / "config.json").is_file():
        raise DataError(
            f"{folder}: no folder with a model (config.json is missing; a model is read from a local folder and never downloaded)"
        )
    with reading(folder / "config.json", "no model's settings", FETCH):
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        kernels, strides = getattr(config, "conv_kernel", None), getattr(config, "conv_stride", None)
        if not kernels or not strides:
            raise DataError(
                f"{folder}: a model of type '{config.model_type}', which does not hear samples through convolutions (wav2vec2, HuBERT, WavLM, XLS-R do)"
            )
        last, stride = int(config.num_hidden_layers), math.prod(map(int, strides))
    if not -last - 1 <= layer <= last:
        raise SettingsError(
            f"layer={layer}: {folder} has {last} transformer layers: 0 to {last}, or -1 (the last) to {-last - 1} from the end"
        )
    rate_hz, normalize = hearing(folder)
    name, weights = folder.resolve().name, digest(weight_files(folder))
    try:
        own = SslConfig(name, weights, layer % (last + 1), rate_hz, normalize)
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from None
    return SslModel(own, stride)


def hearing(folder):
    """(rate in Hz, whether utterances are normalised) as the feature extractor's file says, else its
    defaults.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        path = folder / name
        if not path.exists():
            continue
        values = read_object(path, {}, "the model's maker")
        with reading(path, "no settings of a feature extractor", FETCH):
            values = values.get("feature_extractor", values)
            return values.get("sampling_rate", 16000), values.get("do_normalize", True)
    return 16000, True


def weight_files(folder):
    """The files that hold the weights; safetensors where there are any."""
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        paths = sorted(folder.glob(pattern))
        if paths:
            return paths
    raise DataError(f"{folder}: no weights (model.safetensors or pytorch_model.bin)")


def digest(paths):
    sums = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            while block := stream.read(BLOCK):
                sums.update(block)
    return sums.hexdigest()


@functools.lru_cache(maxsize=1)
def load_ssl(folder, layer, device):
    """The model, in evaluation mode, without the layers above `layer`; kept, as a process asks for one alone.

    Raises
    ------
    DataError
        The weights can't be read, or are not all there: transformers would fill the gaps by chance.
    """
    torch, transformers = libraries()
    if device == "cuda" and not torch.cuda.is_available():
        raise DataError("device=cuda: torch sees no such device here")
    safe = weight_files(local(folder, "the model"))[0].suffix == ".safetensors"
    with reading(folder, "the weights cannot be read", FETCH):
        model, info = transformers.AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=safe,
            weights_only=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    missing = sorted(set(info["missing_keys"]) - UNUSED)
    if missing:
        raise DataError(
            f"{folder}: the weights lack {len(missing)} of the model's arrays, the first {missing[0]} (fetch them anew)"
        )
    cut_above(model, layer)
    return model.float().eval().to(device)
