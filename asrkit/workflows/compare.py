"""Compare two decodings of one data directory: which system is better?"""

import logging
from dataclasses import dataclass

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.evaluation.comparison import Comparison, compare_reports
from asrkit.evaluation.scoring import compute_errors, wer_lines
from asrkit.io.data_dir import read_data_dir
from asrkit.io.decodings import hears_phrases, read_hyp

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Compared:
    """Two decodings, compared.

    Attributes
    ----------
    decode_dirs : tuple of path
        Of A and of B.
    comparison : Comparison
    """

    decode_dirs: tuple[PathLike, ...]
    comparison: Comparison

    def lines(self) -> list[str]:
        """The errors of each, McNemar's test, each rate's interval, the difference's and the verdict."""
        reports = zip("AB", self.comparison.reports, self.decode_dirs, strict=True)
        errors = [f"{name}: {wer_lines(report)[0]} {folder}" for name, report, folder in reports]
        return [*errors, *self.comparison.lines()]


def compare(
    data_dir: PathLike, decode_a: PathLike, decode_b: PathLike, *, replications: int = 10000, seed: int = 0
) -> Compared:
    """Compare the hypotheses of two decode folders; an utterance without hypothesis is an error.

    Parameters
    ----------
    data_dir : path
        Data directory with the reference in text.
    decode_a, decode_b : path
        Folders with hyp.
    replications : int
        Test sets that the bootstrap draws.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Compared

    Raises
    ------
    DataError
        A file is missing or broken, or there is nothing to compare.
    SettingsError
        `replications` or `seed` is too small.
    """
    data = read_data_dir(data_dir, require=("text",))
    if not any(data.text.values()):
        raise DataError(f"{data_dir}/text: no words, nothing to compare")
    speakers, reports = {utt: data.speaker(utt) for utt in data.text}, []
    phrases = any(map(hears_phrases, (decode_a, decode_b)))
    for folder in (decode_a, decode_b):
        report = compute_errors(data.text, read_hyp(folder)[0], speakers, "all", phrases=phrases)
        if report.ignored:
            log.warning(
                "%s/hyp: ignored %d hypotheses that have no reference in %s/text",
                folder,
                report.ignored,
                data_dir,
            )
        reports.append(report)
    return Compared((decode_a, decode_b), compare_reports(*reports, replications=replications, seed=seed))
