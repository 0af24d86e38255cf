"""Recognise the utterances of a data directory -> OUT/hyp and the scores of every word."""

import functools
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asrkit import families
from asrkit.characters import column
from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.features.warp import HearWarpedConfig
from asrkit.io.archive import write_archive
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.decodings import HYP_CHECKSUM, hyp_checksum
from asrkit.io.features import FeatureSet, ReadConfig, read_features, summary
from asrkit.io.files import atomic_write, c_sorted, remove, write_table
from asrkit.io.holds import holding
from asrkit.io.model_file import read_model
from asrkit.io.places import as_path
from asrkit.models.base import chunks
from asrkit.runtime import one_thread, ordered_map
from asrkit.words.confidence import UNKNOWN, AcceptConfig, posteriors
from asrkit.words.decoding import Scorer, best_words, no_path_reason
from asrkit.words.listening import CAUSAL, FIRST, WHOLE, ListenConfig, learns_speakers
from asrkit.words.short import free_in_decoding
from asrkit.words.vocabulary import Vocabulary

if TYPE_CHECKING:
    from asrkit.io.store import Source, Store
    from asrkit.workflows.hypothesis import Candidate

# in the order they are written in: where hyp is, the others are
FILES = ("scores.ark", "scores.scp", "words.txt", "skipped", "confidence", "decode.json", "hyp")


@dataclass(frozen=True)
class Decoded:
    """What was heard.

    Attributes
    ----------
    hyps : dict of str to str
        The word of each utterance.
    skipped : dict of str to str
        Why an utterance has none.
    max_skipped : int
        As many were allowed.
    out : Path
    short : int
        How many of those skipped have fewer frames than any word has states.
    free : int
        How many of these do not count against max_skipped.
    """

    hyps: dict[str, str]
    skipped: dict[str, str]
    max_skipped: int
    out: Path
    short: int = 0
    free: int = 0

    @property
    def complete(self) -> bool:
        """Whether no more utterances were skipped than allowed."""
        return len(self.skipped) - min(self.short, self.free) <= self.max_skipped

    def lines(self) -> list[str]:
        lines = [summary("decoded", len(self.hyps), self.skipped), *short_lines(self.short)]
        if not self.complete:
            lines.append(
                f"more than max_skipped={self.max_skipped}: they count as errors; {self.out / 'skipped'} says why"
            )
        return lines


def short_lines(short: int) -> list[str]:
    """Say that recordings were too short for every word."""
    if not short:
        return []
    return [
        f"{short} recordings have fewer frames than any word has states, and count as errors (train with a smaller num_states=, or "
        "record them again)"
    ]


@one_thread()
@holding("out")
def decode(
    exp: PathLike,
    data_dir: PathLike,
    out: PathLike,
    *,
    method: str = "viterbi",
    listen: ListenConfig | None = None,
    warped: HearWarpedConfig | None = None,
    accept: AcceptConfig | None = None,
    num_best: int = 0,
    read: ReadConfig | None = None,
    jobs: int = 1,
) -> Decoded:
    """Decode a data directory and write OUT as a decode folder.

    Parameters
    ----------
    exp : path
        Folder with final.npz, or a model file.
    data_dir : path
        With feats.scp, or with wav.scp alone: then features are made as the model wants them, in memory. Needs no text.
    method : {"viterbi", "forward"}
        A word's score: its best path, or the sum over all.
    listen : ListenConfig, optional
        Whether the models move to each speaker first.
    warped : HearWarpedConfig, optional
        Whether recordings are heard with a warped frequency axis, too; the models then learn no speaker.
    accept : AcceptConfig, optional
        When a word is believed; others are `<unk>`.
    num_best : int
        Of each utterance as many of the likeliest words are written to OUT/nbest, `<unk>` among them.
    jobs : int
        Processes.

    Returns
    -------
    Decoded
    """
    started = time.perf_counter()
    read, listen, warped = read or ReadConfig(), listen or ListenConfig(), warped or HearWarpedConfig()
    vocabulary = read_model(exp)
    if warped.test_warps:
        from asrkit.words.warped import (  # late, as all of these: many a decoding needs none
            check_warped,
            hear_warped,
        )

        listen = without_learning(listen, warped)
        check_warped(vocabulary)
    reason = listen.why_not(vocabulary.family)
    if reason:
        raise DataError(reason)
    limit = believed(vocabulary, accept or AcceptConfig(), warped)
    data = read_data_dir(data_dir)
    features, learns = features_to_hear(vocabulary, data, listen, warped, read, jobs)
    if warped.test_warps:
        results = hear_warped(features, Scorer(vocabulary, method), warped.test_warps_by, jobs)
    elif learns:
        from asrkit.io.store import Store
        from asrkit.words.listener import hear_speakers

        store = Store(features, out)
        scorer = Scorer(vocabulary, method)
        hear = functools.partial(hear_speakers, vocabulary, scorer, method, listen, limit or 0.0)
        groups = speaker_groups(speakers_of(features.data, store))
        results = ordered_map(hear, groups, jobs=jobs, label="speakers")
    elif listen.adapt in ("none", CAUSAL):
        score = functools.partial(score_chunk, Scorer(vocabulary, method))
        results = ordered_map(score, chunks(features), jobs=jobs, label="about 8000 frames a step")
    else:
        from asrkit.io.store import Store

        store = Store(features, out, vocabulary.observe)
        score = functools.partial(score_speaker, vocabulary, method, listen)
        results = ordered_map(score, speakers_of(features.data, store), jobs=jobs, label="speakers")
    hyps, unheard, scores, lengths, sure = {}, {}, {}, {}, {}
    likeliest: dict[str, list[Candidate]] = {}
    for utts, frames, rows, *judged in results:
        if num_best:
            likeliest.update(zip(utts, _likeliest(vocabulary, num_best, frames, rows, *judged)))
        for place, (utt, length, row, (word, _, _)) in enumerate(
            zip(utts, frames, rows, best_words(vocabulary, rows), strict=True)
        ):
            scores[utt], lengths[utt] = row, length
            if word is None:
                unheard[utt] = no_path_reason(vocabulary, length)
                continue
            hyps[utt] = word
            if limit is not None:
                sure[utt] = float(judged[0][place])
                if sure[utt] < limit:
                    hyps[utt] = UNKNOWN
    skipped = {**features.skipped, **unheard}
    short = sum(lengths[utt] < vocabulary.shortest for utt in unheard)
    facts = {
        "short": short,
        "family": vocabulary.family,
        "words": list(vocabulary.words),
        **({"phrases": True} if vocabulary.phrases else {}),
        "method": method,
        **(vars(warped) if warped.test_warps else {}),
        **{
            name: value
            for name, value in vars(listen).items()
            if name == "adapt" or value != ListenConfig.__dataclass_fields__[name].default
        },
        **({"min_confidence": limit} if limit else {}),
        "frames": sum(lengths.values()),
        "seconds": round(time.perf_counter() - started, 3),
    }
    ordered = ((utt, scores[utt]) for utt in features.data.feats if utt in scores)
    write_decoding(out, hyps, ordered, skipped, facts, sure, likeliest)
    free = free_in_decoding(
        vocabulary.family, vocabulary.family_config, len(features.data.feats), vocabulary.ruled
    )
    return Decoded(hyps, skipped, read.max_skipped, as_path(out), short, free)


def features_to_hear(
    vocabulary: Vocabulary,
    data: DataDir,
    listen: ListenConfig,
    warped: HearWarpedConfig,
    read: ReadConfig,
    jobs: int = 1,
) -> tuple[FeatureSet, bool]:
    """Open what a vocabulary hears of a data directory, and say whether it learns its speakers: then these are stored features."""
    # of speakers with a few recordings nothing is learned in time
    learns = learns_speakers(vocabulary, listen) and (
        listen.adapt == WHOLE or most_of_a_speaker(data) > FIRST
    )
    frontend = vocabulary.frontend
    if learns:
        from asrkit.words.listener import stored_frontend

        frontend = stored_frontend(frontend)
    read_features_of = functools.partial(read_features, allow_pipes=read.allow_pipes)
    if not data.feats and data.wav:
        from asrkit.workflows.recorded import features_of_recordings  # late: it imports what reads recordings

        read_features_of = functools.partial(
            features_of_recordings, made=vocabulary.frontend, read=read, jobs=jobs
        )
    elif not data.feats:
        data = read_data_dir(data.path, require=("feats.scp",))
    features = read_features_of(
        data,
        frontend=frontend,
        warps=warped.factors,
        memories=(listen.memory,),
        shortest=vocabulary.shortest,
    )
    return features, learns


def _likeliest(
    vocabulary: Vocabulary, n: int, frames: list[int], rows: np.ndarray, sure: np.ndarray | None = None
) -> list[list["Candidate"]]:
    """The n likeliest of each utterance; without `sure`, or where it is NaN, no posteriors are known."""
    from asrkit.workflows.hypothesis import nbest

    shares: list[Sequence[float]] = [()] * len(rows)
    if sure is not None and vocabulary.confidence is not None:
        shares = posteriors(rows, np.array(frames), sure).tolist()
    return [
        nbest(dict(zip(vocabulary.words, row)), dict(zip((*vocabulary.words, UNKNOWN), own)), n)
        for row, own in zip(rows.tolist(), shares, strict=True)
    ]


def believed(vocabulary: Vocabulary, accept: AcceptConfig, warped: HearWarpedConfig) -> float | None:
    """Give the probability below which a word is `<unk>`, or None where probabilities are not known."""
    if warped.test_warps:
        if accept.asked:
            raise SettingsError(
                f"test_warps={warped.test_warps}: of warped copies no probability is known (leave one out)"
            )
        return None
    limit = accept.limit(vocabulary.confidence, families.load(vocabulary.family).adds_up)
    return None if vocabulary.confidence is None else limit


def without_learning(listen: ListenConfig, warped: HearWarpedConfig) -> ListenConfig:
    """Give the settings by which warped copies are heard: models that move meanwhile would make up for what the copies show."""
    if listen.adapt not in ("none", CAUSAL):
        raise SettingsError(
            f"test_warps={warped.test_warps} and adapt={listen.adapt} do not go together (leave one out)"
        )
    return replace(listen, adapt="none")


def write_decoding(
    out: PathLike,
    hyps: dict[str, str],
    scores: Iterable[tuple[str, np.ndarray]],
    skipped: dict[str, str],
    facts: dict[str, Any],
    sure: dict[str, float] | None = None,
    likeliest: dict[str, list["Candidate"]] | None = None,
) -> None:
    """Write a decode folder; `scores` are pairs (utt, array in the order of facts["words"]), gone through once; `sure` are probabilities."""
    out = as_path(out)
    # of an earlier decoding: must not stand beside new scores if this one breaks off
    for old in ("hyp", "wer_1", "nbest"):
        remove(out / old)
    if likeliest:
        with atomic_write(out / "nbest") as stream:
            stream.writelines(
                f"{utt} {candidate.line()}\n" for utt in c_sorted(likeliest) for candidate in likeliest[utt]
            )
    write_archive(out / "scores.ark", out / "scores.scp", scores)
    write_table(out / "words.txt", {column(word): index for index, word in enumerate(facts["words"])})
    write_table(out / "skipped", skipped)
    write_table(out / "confidence", {utt: f"{p:.6f}" for utt, p in (sure or {}).items()})
    counts = {"decoded": len(hyps), "skipped": len(skipped), HYP_CHECKSUM: hyp_checksum(hyps)}
    with atomic_write(out / "decode.json", sync=True) as stream:
        json.dump({**facts, **counts}, stream, sort_keys=True)
        stream.write("\n")
    write_table(out / "hyp", hyps, sync=True)


def score_chunk(
    scorer: Scorer, items: list[tuple[str, np.ndarray]]
) -> tuple[list[str], list[int], np.ndarray, np.ndarray]:
    """Utterances, their frames, the scores of every word, and how sure it is of the best."""
    return [utt for utt, _ in items], [len(feats) for _, feats in items], *scorer.judged(items)


def speakers_of(data: DataDir, store: "Store") -> Iterator["Source"]:
    """Yield each speaker's utterances."""
    utts: dict[str, list[str]] = {}
    for utt in store.utts:
        utts.setdefault(data.speaker(utt), []).append(utt)
    for own in utts.values():
        yield store.source(own)


def most_of_a_speaker(data: DataDir) -> int:
    """Count the recordings of the speaker who has the most."""
    return max(Counter(map(data.speaker, data.feats or data.segments or data.wav)).values(), default=0)


def speaker_groups(speakers: Iterator["Source"], frames: int = 8192) -> Iterator[list["Source"]]:
    """Gather speakers until they have about that many frames: what one process hears at a time."""
    some: list[Source] = []
    count = 0
    for source in speakers:
        some.append(source)
        count += int(source.lengths.sum())
        if count >= frames:
            yield some
            some, count = [], 0
    if some:
        yield some


def score_speaker(
    vocabulary: Vocabulary, method: str, listen: ListenConfig, blocks: "Source"
) -> tuple[list[str], list[int], np.ndarray, np.ndarray]:
    """One speaker's utterances, their frames, the scores of every word after adaptation to them, and how sure it is of the best."""
    from asrkit.words.adaptation import adapt_to_heard

    moved = adapt_to_heard(vocabulary, blocks, listen, lambda some: Scorer(some, method))
    scores, sure = zip(*[Scorer(moved, method).judged_block(block) for block in blocks], strict=True)
    return (
        [utt for block in blocks for utt in block.utts],
        np.concatenate([block.lengths for block in blocks]).tolist(),
        np.concatenate(scores),
        np.concatenate(sure),
    )
