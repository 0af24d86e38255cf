"""Score how typical the phones of a data directory are -> phones.tsv and its sums by word, utterance and
speaker.
"""

import contextlib
import functools
import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.alignment import read_alignment, unpaired
from asrkit.io.data_dir import DataDir
from asrkit.io.durations import utterance_lengths
from asrkit.io.features import FeatureSet, ReadConfig, summary
from asrkit.io.files import atomic_write, remove, write_table
from asrkit.io.holds import holding
from asrkit.io.mixgop_file import read_mixgop
from asrkit.io.phone_features import read_phone_features
from asrkit.io.places import as_path
from asrkit.io.score_textgrid import remove_score_textgrids, write_score_textgrids
from asrkit.phones.baselines import kinds_of, score_baselines
from asrkit.phones.mixgop import KINDS, PhoneBank, Scores, summarise
from asrkit.phones.phone import Phone
from asrkit.phones.phone_set import PhoneSet, strangers
from asrkit.phones.tokens import Tokens, fault_reason
from asrkit.runtime import one_thread, ordered_map

log = logging.getLogger("asrkit")

Alignment = dict[str, tuple[Phone, ...]]
BlockScores = tuple[list[str], np.ndarray, np.ndarray, Scores, np.ndarray]  # as of `score_block`
FEW_TOKENS = 5  # of fewer a share says nothing
BY_HEART = 0.9  # of a phone's tokens score below all that it was trained on
ROWS = 12288  # frames of the tokens that are scored together
PHONE_COLUMNS = ("utt", "word", "idx", "phone", "start", "end", *KINDS, "comp", "rival", "n_frames")
TABLES = {  # their first columns: those of the baselines, or of what is summed up, come behind
    "phones": PHONE_COLUMNS,
    "words": ("utt", "idx", "word", "start", "end"),
    "utterances": ("utt", "speaker"),
    "speakers": ("speaker", "n_utts"),
}


@dataclass(frozen=True)
class ScoredPhones:
    """How many phones have scores, and why others have none.

    Attributes
    ----------
    out : Path
        Folder of the tables.
    scored : int
        Phones.
    utts : int
        Utterances.
    reasons : dict of str to int
        Why phones of these utterances could not be scored, and how many.
    skipped : dict of str to str
        Utterances that were not scored, and why.
    max_skipped : int
        How many of these are allowed.
    """

    out: Path
    scored: int
    utts: int
    reasons: dict[str, int]
    skipped: dict[str, str]
    max_skipped: int

    @property
    def complete(self) -> bool:
        """Whether no more utterances were skipped than allowed."""
        return len(self.skipped) <= self.max_skipped

    def lines(self) -> list[str]:
        """How much was scored, and what was not."""
        why = ", ".join(f"{reason}: {count}" for reason, count in sorted(self.reasons.items()))
        lines = [
            f"scored {self.scored} phones of {self.utts} utterances, skipped {sum(self.reasons.values())}"
            + (f" ({why})" if why else "")
        ]
        if self.skipped:
            lines.append(summary("utterances scored", self.utts, self.skipped))
        if not self.complete:
            lines.append(
                f"more utterances skipped than max_skipped={self.max_skipped}; {self.out / 'skipped'} says why"
            )
        return lines


@one_thread()
@holding("out")
def mixgop_score(
    exp: PathLike,
    data_dir: PathLike,
    ali: PathLike,
    out: PathLike,
    *,
    posterior: bool = True,
    textgrid: bool = False,
    frame_shift_s: float = 0.0,
    max_unscored: float = 0.1,
    read: ReadConfig | None = None,
    jobs: int = 1,
    block_rows: int = ROWS,
) -> ScoredPhones:
    """Score the phones of a data directory and write phones.tsv, words.tsv, utterances.tsv and speakers.tsv.

    Parameters
    ----------
    exp : path
        Folder with final.npz, or a model file.
    data_dir : path
        Data directory with feats.scp.
    ali : path
        Folder with phones.ctm, or a CTM file.
    out : path
        Folder for the tables.
    posterior : bool
        False leaves posterior, ratio and rival out (nan) and is much quicker.
    textgrid : bool
        Write textgrid/UTT.TextGrid, too.
    frame_shift_s : float
        Seconds from frame to frame; 0: as the data directory says, else 0.01.
    max_unscored : float
        Share of the phones that may be of none that the training knew: beyond it, the phone set is another.
    jobs : int
        Processes.
    block_rows : int
        Frames of the tokens that are scored together, about.

    Returns
    -------
    ScoredPhones
        Where it is not `complete`, the tables are written all the same.

    Raises
    ------
    DataError
        A file is missing or damaged, the features are not of the model's kind, the alignment has another time scale, or
        more than `max_unscored` of its phones are none of the model's.
    """
    read, out, phone_set, alignment = (
        read or ReadConfig(),
        as_path(out),
        read_mixgop(exp),
        read_alignment(ali),
    )
    features, shift_s = read_phone_features(
        data_dir, phone_set, alignment, ali, frame_shift_s=frame_shift_s, allow_pipes=read.allow_pipes
    )
    refuse_strangers(ali, alignment, features.data, phone_set, max_unscored)
    bank, more_kinds = phone_set.bank(), kinds_of(phone_set.baselines)
    blocks = cut_blocks(phone_set, features, alignment, block_rows)
    score = functools.partial(score_block, bank, phone_set.baselines, posterior)
    results = ordered_map(score, blocks, jobs=jobs, label=f"about {block_rows} tokens a step")
    remove_score_textgrids(out)  # of an earlier scoring: must not stand beside new tables
    lowest = Lowest()
    scored, reasons, num_utts = write_tables(
        out, bank.phones, more_kinds, features.data, alignment, lowest.counted(results)
    )
    lowest.warn(bank.phones)
    if textgrid:
        ends = {
            utt: round(frames * shift_s, 6) for utt, frames in features.lengths.items()
        } | utterance_lengths(features.data, shift_s)
        write_score_textgrids(out, (*KINDS, *more_kinds), ends)
    skipped = {**unpaired(features.data, alignment), **features.skipped}
    write_table(out / "skipped", skipped)
    return ScoredPhones(out, scored, num_utts, dict(reasons), skipped, read.max_skipped)


def refuse_strangers(
    ali: PathLike, alignment: Alignment, data: DataDir, phone_set: PhoneSet, most: float
) -> None:
    """Raise a DataError where more than a share of the phones to score are none that the training knew."""
    phones = [phone.label for utt in data.feats for phone in alignment.get(utt, ())]
    if told := strangers(phones, phone_set.counts, most):
        raise DataError(f"{ali}: {told}; more than max_unscored={most:g} would have no score")


class Lowest:
    """Counts how many tokens of each phone score below all of those that the phone was trained on."""

    def __init__(self) -> None:
        self.scored: Counter[int] = Counter()
        self.below: Counter[int] = Counter()

    def counted(self, results: Iterable[tuple[BlockScores, np.ndarray]]) -> Iterator[BlockScores]:
        """Pass the results of blocks on, the labels of whose phones come beside them."""
        for block, labels in results:
            pct = block[3].pct
            self.scored.update(labels[~np.isnan(pct)].tolist())
            self.below.update(labels[pct == 0].tolist())
            yield block

    def warn(self, names: tuple[str, ...]) -> None:
        """Name the phones whose mixture knows its training tokens and next to nothing else."""
        known = {
            phone: self.below[phone] / count for phone, count in self.scored.items() if count >= FEW_TOKENS
        }
        by_heart = [names[phone] for phone in sorted(known) if known[phone] >= BY_HEART]
        if by_heart:
            more = f" and {len(by_heart) - 5} more" if len(by_heart) > 5 else ""
            log.warning(
                "this mixture learned its tokens by heart: %s%s, of %d phones; what is scored stands at percentile 0 of the training "
                "scores (train with num_gauss=0, fewer Gaussians or covariance=diag, unless the recordings are quite unlike those)",
                ", ".join(by_heart[:5]),
                more,
                len(known),
            )


def cut_blocks(
    phone_set: PhoneSet, features: FeatureSet, alignment: Alignment, block_rows: int
) -> Iterator[tuple[list[str], Tokens]]:
    """Yield (utterances, their Tokens), whole utterances of about `block_rows` rows together: cut by the
    data, not by the jobs.
    """
    utts, some, rows = [], [], 0
    for utt, feats in features:
        if utt not in alignment:
            continue
        phones = alignment[utt]
        times = np.array([(phone.start_s, phone.end_s) for phone in phones])
        utts.append(utt)
        some.append(phone_set.cut(feats, [phone.label for phone in phones], *times.T))
        rows += len(some[-1].obs)
        if rows >= block_rows:
            yield utts, Tokens.join(some)
            utts, some, rows = [], [], 0
    if utts:
        yield utts, Tokens.join(some)


def score_block(
    bank: PhoneBank, baselines: dict, posterior: bool, block: tuple[list[str], Tokens]
) -> tuple[BlockScores, np.ndarray]:
    """Score a block: its utterances, why phones have no scores, of how many frames they are, the Scores, and
    those of the baselines; beside these the phones' labels.
    """
    utts, tokens = block
    scores = (
        utts,
        tokens.faults,
        tokens.frames,
        bank.score(tokens, posterior),
        score_baselines(baselines, tokens),
    )
    return scores, tokens.labels


def table_columns(more_kinds: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Name the columns of each table; the baselines' come last."""
    sums = (
        "n_scored",
        "n_skipped",
        *(f"{kind}_{what}" for kind in (*KINDS, *more_kinds) for what in ("mean", "min", "p10")),
    )
    return {name: (*columns, *(more_kinds if name == "phones" else sums)) for name, columns in TABLES.items()}


def write_tables(
    out: Path,
    names: tuple[str, ...],
    more_kinds: tuple[str, ...],
    data: DataDir,
    alignment: Alignment,
    results: Iterable[BlockScores],
) -> tuple[int, Counter[str], int]:
    """Write the four tables as the results come; how many phones have scores, why others have none, and how
    many utterances came.
    """
    for name in TABLES:  # of an earlier scoring: must not stand beside new ones if this one breaks off
        remove(out / f"{name}.tsv")
    scored, num_utts = 0, 0
    reasons: Counter[str] = Counter()
    by_speaker: dict[str, list[np.ndarray]] = {}
    with contextlib.ExitStack() as stack:
        streams = {name: stack.enter_context(atomic_write(out / f"{name}.tsv")) for name in TABLES}
        for name, columns in table_columns(more_kinds).items():
            streams[name].write("\t".join(columns) + "\n")
        for utts, faults, frames, scores, more in results:
            table = np.concatenate([scores.table(), more], axis=1)
            first = 0
            for utt in utts:
                phones = alignment[utt]
                mine = slice(first, first + len(phones))
                rivals = [names[rival] if rival >= 0 else "nan" for rival in scores.rival[mine]]
                write_phones(
                    streams["phones"], utt, phones, table[mine], scores.comp[mine], rivals, frames[mine]
                )
                write_words(streams["words"], utt, phones, table[mine])
                write_row(streams["utterances"], utt, data.speaker(utt), *summary_fields(table[mine]))
                by_speaker.setdefault(data.speaker(utt), []).append(table[mine])
                reasons.update(
                    fault_reason(faults[first + idx], phones[idx].label)
                    for idx in np.flatnonzero(faults[mine])
                )
                first += len(phones)
            scored += int((faults == 0).sum())
            num_utts += len(utts)
        for speaker in sorted(by_speaker):
            own = by_speaker[speaker]
            write_row(streams["speakers"], speaker, len(own), *summary_fields(np.concatenate(own)))
    return scored, reasons, num_utts


def write_row(stream: IO, *fields: object) -> None:
    stream.write(
        "\t".join(f"{field:.10g}" if isinstance(field, float) else str(field) for field in fields) + "\n"
    )


def write_phones(
    stream: IO,
    utt: str,
    phones: tuple[Phone, ...],
    table: np.ndarray,
    comps: np.ndarray,
    rivals: list[str],
    frames: np.ndarray,
) -> None:
    rows = zip(phones, table.tolist(), comps.tolist(), rivals, frames.tolist(), strict=True)
    for idx, (phone, scores, comp, rival, count) in enumerate(rows):
        facts = (comp if comp >= 0 else "nan", rival, count)
        write_row(
            stream,
            utt,
            phone.word,
            idx,
            phone.label,
            phone.start_s,
            phone.end_s,
            *scores[: len(KINDS)],
            *facts,
            *scores[len(KINDS) :],
        )


def write_words(stream: IO, utt: str, phones: tuple[Phone, ...], table: np.ndarray) -> None:
    """Write a line for each run of phones of one word; `idx` is the word's place in the utterance."""
    runs = [
        list(run)
        for index, run in itertools.groupby(range(len(phones)), key=lambda i: phones[i].word_index)
        if index >= 0
    ]
    for idx, run in enumerate(runs):
        first, end_s = phones[run[0]], max(phones[i].end_s for i in run)
        write_row(stream, utt, idx, first.word, first.start_s, end_s, *summary_fields(table[run]))


def summary_fields(table: np.ndarray) -> tuple[float, ...]:
    """Give n_scored, n_skipped, and what `summarise` says of each kind."""
    scored = int((~np.isnan(table[:, 0])).sum())
    return scored, len(table) - scored, *summarise(table).ravel().tolist()
