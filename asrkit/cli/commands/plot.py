"""One picture of a trained model or of a recording, for a slide -> FILE.png, *.pdf or *.svg.

KIND is what is drawn:
  codebook EXP           code vectors and their cells over two dimensions of a stream; with --data frames beneath
  gmm EXP --word W       a word's Gaussians as ellipses over two dimensions (of an HMM coloured by states); with --data the word's frames beneath
  hmm EXP --word W       the states with entry, transition and exit probabilities and mean durations; below each its mean, or its likeliest symbols
  alignment EXP WAV      the best state sequence over the spectrogram, and what each frame adds
  trellis EXP WAV        the trellis D(t, j) of the best log scores, filled frame by frame, with its entry and the best path
  features WAV           the sound with the ends that were found, spectrogram, mel bands, cepstra and deltas; with --like EXP as that model hears
EXP is the folder of a training, or a model file. alignment and trellis also take an utterance with --data DIR --utt U in place of WAV; their word
is what the transcript says, or what is heard, unless --word says another. States count from 1. What a model does not have is refused, and what it has is listed.
"""

from asrkit.cli.options import add_auto, add_options, from_args
from asrkit.cli.output import say
from asrkit.workflows.plot import KINDS, PlotConfig, plot

EXAMPLE = """example:
  asrkit plot gmm exp/gmm --word one --dims c1,c2 --data data/train -o gmm.png
  asrkit plot hmm exp/chmm --word one -o hmm.pdf
  asrkit plot codebook exp/dhmm --stream 1 -o codebook.png
  asrkit plot trellis exp/chmm new.wav --word one -o trellis.png
  asrkit plot features new.wav --like exp/chmm -o features.svg
"""


def add_arguments(parser):
    parser.add_argument(
        "kind", metavar="KIND", choices=tuple(KINDS), help=f"what is drawn: {', '.join(KINDS)}"
    )
    parser.add_argument(
        "model", metavar="EXP", help="folder with final.npz, or a model file; of features the recording"
    )
    parser.add_argument(
        "recording", metavar="WAV", nargs="?", help="of alignment and trellis: a recording of one word"
    )
    parser.add_argument(
        "-o", "--out", metavar="FILE", required=True, help="picture, *.png, *.pdf or *.svg, that is written"
    )
    add_options(parser, PlotConfig)
    add_auto(
        parser, "endpoint", "find the speech first; auto: as the training did, and in untrimmed recordings"
    )


def main(args):
    plotted = plot(
        args.kind,
        args.model,
        args.recording,
        out=args.out,
        config=from_args(PlotConfig, args),
        endpoint=args.endpoint,
    )
    say(plotted.lines())
    return 0
