"""Compute CMVN statistics: feats.scp -> cmvn.scp, Kaldi's (2, D + 1) matrix of sums for each speaker."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.archive import read_scp, write_archive
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.features import sum_by_speaker, unusable
from asrkit.io.holds import holding


@dataclass(frozen=True)
class CmvnComputed:
    """CMVN statistics of a data directory.

    Attributes
    ----------
    scp : path
        The table cmvn.scp.
    speakers : list of str
        Whose statistics it names, in its order.
    """

    scp: Path
    speakers: list[str]

    def lines(self) -> list[str]:
        """One line: of how many speakers there are statistics."""
        return [f"computed statistics of {len(self.speakers)} speakers in {self.scp}"]


@holding("data_dir", make=False)
def compute_cmvn(data_dir: PathLike, *, allow_pipes: bool = False) -> CmvnComputed:
    """Sum the features of every speaker; without utt2spk every utterance is its own speaker.

    Parameters
    ----------
    data_dir : path
        Data directory with feats.scp.
    allow_pipes : bool
        Run shell pipes found in feats.scp.

    Returns
    -------
    CmvnComputed

    Raises
    ------
    DataError
        Features are missing, can't be used or differ in their dimension.
    """
    data = read_data_dir(data_dir, require=("feats.scp",))
    stats = sum_by_speaker(data, checked_features(data, allow_pipes))
    speakers, scp = sorted(stats), data.path / "cmvn.scp"
    ark = data.path / "data" / f"cmvn_{data.path.resolve().name}.ark"
    write_archive(ark, scp, ((speaker, stats[speaker]) for speaker in speakers))
    return CmvnComputed(scp, speakers)


def checked_features(data: DataDir, allow_pipes: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, features (T, D)) of feats.scp; what can't be used is a DataError."""
    dim = None
    for utt, feats in read_scp(
        data.feats, base=data.path, allow_pipes=allow_pipes, path=data.path / "feats.scp"
    ):
        reason = unusable(feats)
        if not reason and dim not in (None, feats.shape[1]):
            reason = f"dimension {feats.shape[1]}, those before it {dim}"
        if reason:
            raise DataError(
                f"{data.path / 'feats.scp'}: utterance '{utt}': {reason} (compute its features again)"
            )
        dim = feats.shape[1]
        yield utt, feats
