"""Replace feature vectors by the numbers of their nearest code vectors -> OUT/codes.scp (int32 vectors)."""

from pathlib import Path

from asrkit.config import add_options, from_args
from asrkit.io.archive import write_archive
from asrkit.io.features import ReadConfig, check_skipped, read_features, summary
from asrkit.io.model_file import read_codebook

EXAMPLE = "example: asrkit quantize exp/dhmm data/test exp/dhmm/codes_test"


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with codebook.npz, or the file itself")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("out", metavar="OUT", help="folder for codes.scp and codes.ark")
    add_options(parser, ReadConfig)


def main(args):
    read = from_args(ReadConfig, args)
    path = Path(args.exp)
    codebook, frontend = read_codebook(path / "codebook.npz" if path.is_dir() else path)
    features = read_features(args.dir, frontend=frontend, allow_pipes=read.allow_pipes)

    def codes():
        for utt, feats in features:
            yield utt, codebook.quantize(feats)
        # raised here, nothing is written
        check_skipped(features.skipped, read.max_skipped, "quantized", len(features.lengths))

    write_archive(Path(args.out) / "codes.ark", Path(args.out) / "codes.scp", codes())
    print(summary("quantized", len(features.lengths), features.skipped))
    return 0
