"""Make perturbed copies of a data directory: noise, reverberation, speed, tempo, warp, gain.

For tests in noise and for training that shall stand it. OUT is a data directory with recordings of its own
(OUT/wavs, 16 bit, segments applied), utt2uniq (copy -> original) and perturb.tsv (what was done to each).

Every perturbation takes one value or a comma list. One value is the same for all; of a list each copy gets
one drawn at random, each list for itself, or with --grid true every combination once. So
`--noise white --snr 10` makes one copy of a test set at 10 dB, `--noise none,white,babble --snr 20,15,10,5
--copies 3` a training set, and `--speed 0.9,1,1.1 --grid true` Kaldi's threefold one. A copy is called
UTT-sp0.9-wp1.1-tp0.9-rt0.3-white10-1, what was not done to it left out, its number last. Speakers keep their
names.

The ratio of --snr is that of the energies over the whole utterance, its pauses included, after speed and
reverberation; segments (asrkit detect-endpoints) keep the pauses out. What would clip is scaled down as a
whole. Babble sums --babble-voices speakers other than the utterance's own, each at the same power and each
made of its utterances one after another. Which noise, room and factors an utterance gets hangs on --seed, its
id and the number of the copy alone; what is heard in babble and recorded noise, on what else is in the folder
they are from.
"""

from asrkit.audio.perturbation import PerturbConfig
from asrkit.cli.options import add_flag, add_options, from_args
from asrkit.cli.output import say
from asrkit.io.features import ReadConfig
from asrkit.workflows.perturb import perturb

EXAMPLE = "example: asrkit perturb data/test data/test_white10 --noise white --snr 10"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with wav.scp")
    parser.add_argument("out", metavar="OUT", help="the new data directory")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(
        parser, "keep-original", False, "OUT also holds the utterances as they are, under their own names"
    )
    parser.add_argument(
        "--noise-dir",
        metavar="DIR",
        help="data directory of noise, wav.scp is enough; random stretches are taken",
    )
    parser.add_argument(
        "--babble-dir", metavar="DIR", help="data directory of those who babble (default: DIR itself)"
    )
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_flag(parser, "strict", False, "refuse recordings with several channels")
    add_options(parser, ReadConfig)
    add_options(parser, PerturbConfig, "perturbations (of comma lists each copy gets one value, drawn)")


def main(args):
    perturbed = perturb(
        args.dir,
        args.out,
        config=from_args(PerturbConfig, args),
        noise_dir=args.noise_dir,
        babble_dir=args.babble_dir,
        keep_original=args.keep_original,
        read=from_args(ReadConfig, args),
        channel=args.channel,
        strict=args.strict,
        jobs=args.nj,
    )
    say(perturbed.lines())
    return 0
