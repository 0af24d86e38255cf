"""Features of a self-supervised speech model: wav.scp (and segments) -> feats.scp, arks, frame_shift,
frontend.conf, as compute-mfcc.

--model is a local folder with a wav2vec2, HuBERT, WavLM or XLS-R model, as transformers writes it
(config.json, model.safetensors or pytorch_model.bin, preprocessor_config.json); nothing is downloaded, and no
code in the folder is run. Its preprocessor_config.json says the sampling rate and whether utterances are
normalised; without that file they are 16 kHz and yes. Recordings of any rate are resampled.

--layer 0 is what the first transformer layer hears, k what the k-th gives; the last is what the model gives,
after its final normalisation where it has one. Which layer tells most of phones depends on the model: of
those that were never trained to recognise, the last of wav2vec2 and XLS-R is seldom the one, so try a few.
The frame shift is the convolutions' (20 ms in all of these).

Memory grows with the square of an utterance's length (one of 60 s takes 5 GB with WavLM-large), so those
longer than --max-duration are skipped; cut them with segments, or raise it. Each of --nj processes holds the
model. Needs torch and transformers: pip install 'asrkit[ssl]'.
"""

import functools

from asrkit.cli.commands.compute_mfcc import add_recording_arguments, write_features
from asrkit.config import add_flag
from asrkit.errors import DataError
from asrkit.features.ssl import hidden_layer
from asrkit.io.ssl_model import describe_ssl, load_ssl

EXAMPLE = """example:
  asrkit compute-ssl data/train --model models/wavlm-large --layer 18
  asrkit mixgop train data/train ali/train exp/mixgop --delta-order 0
"""

CHUNK = 8  # recordings a unit of work; fixed, so that nothing depends on --nj


def add_arguments(parser):
    add_recording_arguments(parser)
    parser.add_argument("--model", metavar="FOLDER", required=True, help="folder with the model")
    add_flag(parser, "layer", -1, "hidden layer; negative counts from the end")
    add_flag(parser, "device", "cpu", "where the model computes", choices=("cpu", "cuda"))
    add_flag(parser, "max-duration", 60.0, "skip utterances longer than this, in seconds", minimum=0)


def main(args):
    model = describe_ssl(args.model, args.layer)
    rate_hz = model.config.sample_rate_hz
    compute = functools.partial(ssl_features, folder=args.model, config=model.config, device=args.device)
    return write_features(
        args,
        "ssl",
        compute,
        model.config,
        rate_hz,
        model.stride / rate_hz,
        chunk=CHUNK,
        max_duration_s=args.max_duration,
    )


def ssl_features(samples, folder, config, device):
    """float32 (T, D) of one utterance; a process loads the model when it needs it first."""
    model = load_ssl(folder, config.layer, device)
    try:
        return hidden_layer(model, samples, config.layer, config.normalize)
    except (ValueError, RuntimeError) as error:  # torch has its lack of memory as a RuntimeError
        raise DataError(f"{folder}: an utterance of {len(samples)} samples: {error}") from None
