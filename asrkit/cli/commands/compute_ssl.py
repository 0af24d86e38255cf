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
model. Needs torch and transformers, the extra `ssl`.
"""

from asrkit.cli.kind_command import add_recording_arguments
from asrkit.cli.options import add_flag, from_args, whole
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.compute_features import RecordingConfig
from asrkit.workflows.compute_ssl import compute_ssl

EXAMPLE = """example:
  asrkit compute-ssl data/train --model models/wavlm-large --layer 18
  asrkit mixgop train data/train ali/train exp/mixgop --delta-order 0
"""


def add_arguments(parser):
    add_recording_arguments(parser)
    parser.add_argument("--model", metavar="FOLDER", required=True, help="folder with the model")
    parser.add_argument(
        "--layer",
        metavar="N",
        type=whole,
        help="hidden layer; negative counts from the end (default: that of --like, else -1)",
    )
    parser.add_argument(
        "--like",
        metavar="EXP",
        help="a trained model, or its folder: its layer, and no other weights than it knows",
    )
    add_flag(parser, "device", "cpu", "where the model computes", choices=("cpu", "cuda"))
    add_flag(parser, "max-duration", 60.0, "skip utterances longer than this, in seconds", minimum=0)


def main(args):
    computed = compute_ssl(
        args.dir,
        args.model,
        from_args(RecordingConfig, args),
        layer=args.layer,
        like=args.like,
        device=args.device,
        max_duration=args.max_duration,
        read=from_args(ReadConfig, args),
        jobs=args.nj,
    )
    say(computed.lines())
    return 0
