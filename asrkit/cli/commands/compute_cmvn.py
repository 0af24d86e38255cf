"""Compute CMVN statistics: feats.scp -> cmvn.scp, Kaldi's (2, D + 1) matrix of sums for each speaker.

Without utt2spk every utterance is its own speaker.
"""

from asrkit.config import add_flag
from asrkit.errors import DataError
from asrkit.io.archive import read_scp, write_archive
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import sum_by_speaker, unusable

EXAMPLE = "example: asrkit compute-cmvn data/train"


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    add_flag(parser, "allow-pipes", False, "run shell pipes found in scp files")


def main(args):
    data = read_data_dir(args.dir, require=("feats.scp",))

    def usable():
        dim = None
        for utt, feats in read_scp(data.feats, base=data.path, allow_pipes=args.allow_pipes):
            reason = unusable(feats)
            if not reason and dim not in (None, feats.shape[1]):
                reason = f"dimension {feats.shape[1]}, those before it {dim}"
            if reason:
                raise DataError(
                    f"{data.path / 'feats.scp'}: utterance '{utt}': {reason} (compute its features again)"
                )
            dim = feats.shape[1]
            yield utt, feats

    stats = sum_by_speaker(data, usable())
    name = f"cmvn_{data.path.resolve().name}"
    write_archive(
        data.path / "data" / f"{name}.ark", data.path / "cmvn.scp", ((s, stats[s]) for s in sorted(stats))
    )
    print(f"computed statistics of {len(stats)} speakers in {data.path / 'cmvn.scp'}")
    return 0
