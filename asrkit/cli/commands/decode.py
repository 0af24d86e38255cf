"""Recognise the utterances of a data directory -> OUT/hyp and OUT/scores.scp.

The word with the largest log-likelihood wins. hyp has a line `utt word` for each utterance; scores.scp leads
to float64 vectors with the score of every word, in the order of OUT/words.txt; OUT/skipped says why an
utterance has no hypothesis. DIR needs no text. Without feats.scp the features are made of the recordings, as the model
wants them, in memory (compute-mfcc --like EXP stores them). With --nbest 5 OUT/nbest has lines `utt word posterior loglik` of each utterance's five
likeliest words, the likeliest first, `<unk>` (none of them) among these; a posterior is `-` where the model does not know how sure it may be.

Where DIR/utt2spk says who speaks, what was heard of a speaker helps to hear him: the normalisation (--cmvn map) goes on from
recording to recording, in the order of feats.scp, and from the fifteenth on the models move to his voice, as far as recordings that were
left out bear it out (--adapt causal). --adapt whole hears all of his recordings first, --adapt none takes each alone; with --cmvn-memory
none nothing is remembered at all. Each speaker is heard by himself, so nothing depends on the others or on --nj; OUT's scores are those of the
moved models. map, mllr and mllr-map move them to all recordings without asking whether it helps.
"""

from asrkit.cli.options import add_cluster, add_flag, add_method, add_options, from_args
from asrkit.cli.output import say
from asrkit.features.warp import HearWarpedConfig
from asrkit.io.features import ReadConfig
from asrkit.words.confidence import AcceptConfig
from asrkit.words.listening import ListenConfig
from asrkit.workflows.decode import decode

EXAMPLE = "example: asrkit decode exp/chmm data/test exp/chmm/decode_test"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp, or with wav.scp alone")
    parser.add_argument("out", metavar="OUT", help="folder for the results, best inside EXP")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_cluster(parser)
    add_method(parser)
    add_flag(parser, "nbest", 0, "likeliest words of each utterance in OUT/nbest", minimum=0)
    add_options(parser, ReadConfig)
    add_options(parser, ListenConfig, "adaptation to the speakers of DIR")
    add_options(parser, HearWarpedConfig, "other vocal tracts")
    add_options(parser, AcceptConfig, "words that are no words of the model")


def main(args):
    decoded = decode(
        args.exp,
        args.dir,
        args.out,
        method=args.method,
        listen=from_args(ListenConfig, args),
        warped=from_args(HearWarpedConfig, args),
        accept=from_args(AcceptConfig, args),
        num_best=args.nbest,
        read=from_args(ReadConfig, args),
        jobs=args.nj,
    )
    say(decoded.lines())
    return 0 if decoded.complete else 1
