"""Every error of several decodings, and why it happened: what the page, errors.tsv and report.json say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.audio.endpoint import find_speech
from asrkit.audio.samples import resample
from asrkit.characters import phrase
from asrkit.config import parse_float
from asrkit.errors import DataError
from asrkit.evaluation.mislabelled import Suspect, probably_mislabelled
from asrkit.evaluation.scoring import ErrorReport, compute_errors
from asrkit.io.archive import read_scp
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.decodings import check_scored, hears_phrases, read_facts, read_hyp
from asrkit.io.features import ReadConfig, read_features
from asrkit.io.files import read_numbers, read_table
from asrkit.io.model_file import read_model
from asrkit.words.confidence import UNKNOWN
from asrkit.words.explaining import Contrast
from asrkit.words.neighbours import Neighbours
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.explain import contrast_of
from asrkit.workflows.replay import as_heard
from asrkit.workflows.sounds import read_sounds

NEIGHBOURS = 5  # recordings of the training that are named
MOST_NEIGHBOURS = 20000  # recordings of a training among which they are looked for, spread over all
# By how much scores, which decoding makes of float32, may differ from those of paths, in nats and as a share of the larger score; what was heard
# otherwise is off by more
EXACT, EXACT_SHARE = 0.01, 1e-6


@dataclass(frozen=True)
class Part:
    """One model of a system, and what it heard: the system itself, or a fold of a cross-validation.

    Attributes
    ----------
    exp, decode : Path
        Folder of the model, and its decode folder.
    data, train : Path or None
        What was decoded and, where that is known, what the model was trained on.
    """

    exp: Path
    decode: Path
    data: Path
    train: Path | None


@dataclass(frozen=True, eq=False)
class Hearing:
    """What one system heard of one utterance, wrongly.

    Attributes
    ----------
    heard : str or None
        None where it heard no word.
    p : float or None
        Probability that this was said.
    reason : str
        Why it heard none.
    contrast : Contrast or None
        The likeliest word against the one that was said (or, where that is the same or not known, the one that came next).
    exact : bool
        Whether the paths' scores differ by what the decoding says.
    """

    heard: str | None
    p: float | None
    reason: str = ""
    contrast: Contrast | None = None
    exact: bool = True


@dataclass(frozen=True)
class Neighbour:
    """A recording of the training that sounds like another one."""

    utt: str
    word: str
    speaker: str
    distance: float
    data: Path


@dataclass(frozen=True, eq=False)
class Case:
    """An utterance that some system heard wrongly.

    Attributes
    ----------
    utt, speaker, said : str
    by : dict of str to Hearing
        Of each system that heard it wrongly.
    neighbours : tuple of Neighbour
        The nearest first.
    start_s : float
        Where in the utterance the frames begin.
    frame_shift_s : float
    """

    utt: str
    speaker: str
    said: str
    by: dict[str, Hearing]
    neighbours: tuple[Neighbour, ...] = ()
    start_s: float = 0.0
    frame_shift_s: float = 0.01

    @property
    def p(self) -> float:
        """The greatest probability that a system gave to the wrong word; 0 where none is known."""
        return max((own.p or 0.0 for own in self.by.values()), default=0.0)


@dataclass(frozen=True, eq=False)
class Heard:
    """What a system heard of all utterances.

    Attributes
    ----------
    name : str
    hyps, skipped : dict of str to str
    p : dict of str to float
        By utterance; {} where the model does not know how sure it may be.
    errors : ErrorReport
    """

    name: str
    hyps: dict[str, str]
    skipped: dict[str, str]
    p: dict[str, float]
    errors: ErrorReport


@dataclass(frozen=True, eq=False)
class Errors:
    """All that the systems of a report heard wrongly.

    Attributes
    ----------
    systems : tuple of Heard
    cases : dict of str to Case
        By utterance, those of which a system was most sure first.
    suspects : tuple of Suspect
        Probably mislabelled.
    """

    systems: tuple[Heard, ...]
    cases: dict[str, Case]
    suspects: tuple[Suspect, ...] = field(default=())


def read_heard(name: str, decode: Path, data: DataDir, mode: str) -> Heard:
    """Read what a scored decode folder has of a data directory, and count its errors as `asrkit score` did."""
    hyps, skipped = read_hyp(decode)
    facts, phrases = read_facts(decode) or {}, hears_phrases(decode)
    refs = data.text
    if "min_confidence" in facts:  # what no model knows is rightly heard as none
        words = {*facts.get("words", ()), UNKNOWN}
        refs = {utt: _known(text, words, phrases) for utt, text in refs.items()}
    speakers = {utt: data.speaker(utt) for utt in refs}
    p = {}
    if (decode / "confidence").exists():
        p = read_numbers(decode / "confidence", parse_float, remedy="asrkit decode writes it anew")
    mode = "present" if mode == "present" else "all"
    return Heard(
        name, hyps, skipped, p, compute_errors(refs, hyps, speakers, mode, skipped=skipped, phrases=phrases)
    )


def _known(text: str, words: set[str], phrases: bool) -> str:
    if phrases:
        return text if phrase(text) in words else UNKNOWN
    return " ".join(word if word in words else UNKNOWN for word in text.split())


def find_errors(
    heard: Sequence[Heard],
    parts: Mapping[str, Sequence[Part]],
    data: DataDir,
    read: ReadConfig,
    folder: Path,
) -> Errors:
    """Find every error and why it happened.

    Parameters
    ----------
    heard : sequence of Heard
    parts : dict of str to sequence of Part
        The models of each system.
    data : DataDir
    folder : Path
        Where temporary files may be made.
    """
    cases: dict[str, Case] = {}
    for own in heard:
        for utt, scored in own.errors.utts.items():
            if scored.counts.errors:
                case = cases.setdefault(utt, Case(utt, scored.speaker, scored.ref, {}))
                case.by[own.name] = Hearing(own.hyps.get(utt), own.p.get(utt), own.skipped.get(utt, ""))
    for own in heard:
        for part in parts[own.name]:
            _explain_part(own, part, cases, read, folder)
    known = [(own.hyps, own.p) for own in heard]
    utts = heard[0].errors.utts
    refs = {utt: scored.ref for utt, scored in utts.items()}
    suspects = probably_mislabelled(refs, {utt: scored.speaker for utt, scored in utts.items()}, known)
    order = sorted(cases, key=lambda utt: (-cases[utt].p, utt.encode()))
    return Errors(tuple(heard), {utt: cases[utt] for utt in order}, tuple(suspects))


def _explain_part(system: Heard, part: Part, cases: dict[str, Case], read: ReadConfig, folder: Path) -> None:
    """Say of each error of one model why it happened."""
    vocabulary, data = read_model(part.exp), read_data_dir(part.data)
    facts = read_facts(part.decode) or {}
    there = data.feats or data.segments or data.wav
    wanted = {utt for utt, case in cases.items() if system.name in case.by and utt in there}
    if not wanted:
        return
    if tuple(facts.get("words", vocabulary.words)) != vocabulary.words:
        raise DataError(
            f"{part.decode}: decoded with {len(facts['words'])} words that are not the {len(vocabulary.words)} of {part.exp} (decode again)"
        )
    scores = _scores(part, wanted)
    near = None
    if part.train is not None and any(not cases[utt].neighbours for utt in wanted):
        near = _neighbours(vocabulary, part.train, read)
    ends = _starts(vocabulary, data)
    shift_s = vocabulary.frontend.kind.frame_shift_s or 0.01
    for utt, feats, moved in as_heard(vocabulary, data, facts, system.hyps, wanted, folder, read):
        case, row = cases[utt], scores.get(utt)
        hearing = case.by[system.name]
        if row is not None and np.isfinite(row).any():
            case.by[system.name] = _explained(hearing, moved, feats, row, phrase(case.said), facts)
        if near is not None and not case.neighbours:
            case = replace(case, neighbours=near(feats, utt))
        cases[utt] = replace(case, start_s=ends(utt), frame_shift_s=shift_s)


def _scores(part: Part, wanted: set[str]) -> dict[str, np.ndarray]:
    """The scores of every word of the model, by utterance."""
    path = part.decode / "scores.scp"
    if not path.exists():
        return {}
    table = read_table(path)
    check_scored(part.decode, table)
    return dict(read_scp({utt: table[utt] for utt in table if utt in wanted}, base=part.decode, path=path))


def _explained(
    hearing: Hearing,
    vocabulary: Vocabulary,
    feats: np.ndarray,
    row: np.ndarray,
    said: str,
    facts: dict[str, Any],
) -> Hearing:
    words = vocabulary.words
    order = np.argsort(-row, kind="stable")
    best = words[order[0]]
    others = [words[place] for place in order[1:] if np.isfinite(row[place])]
    if not others:
        return hearing
    other = said if said in others else others[0]
    contrast = contrast_of(vocabulary, feats, best, other)
    if contrast is None:
        return hearing
    pair = row[[order[0], words.index(other)]]
    lead, allowed = float(pair[0] - pair[1]), EXACT + EXACT_SHARE * float(np.abs(pair).max())
    found = contrast.winner.score - contrast.other.score
    return replace(hearing, contrast=contrast, exact=abs(found - lead) <= allowed)


def _neighbours(vocabulary: Vocabulary, train: Path, read: ReadConfig) -> Any:
    """What finds the nearest recordings of a training: (T, D) and the utterance itself -> tuple of Neighbour."""
    data = read_data_dir(train)
    if not data.feats:
        raise DataError(
            f"{train}: no feats.scp, in which neighbours could be found (asrkit compute-mfcc {train} makes it)"
        )
    utts = list(data.feats)
    some = utts[:: -(-len(utts) // MOST_NEIGHBOURS)]
    chosen = replace(data, feats={utt: data.feats[utt] for utt in some})
    features = read_features(chosen, frontend=vocabulary.frontend, allow_pipes=read.allow_pipes)
    names, feats = zip(*features, strict=True)
    near = Neighbours(names, feats)

    def find(own: np.ndarray, utt: str) -> tuple[Neighbour, ...]:
        return tuple(
            Neighbour(name, data.text.get(name, ""), data.speaker(name), distance, train)
            for name, distance in near.nearest(own, NEIGHBOURS, utt)
        )

    return find


def _starts(vocabulary: Vocabulary, data: DataDir) -> Any:
    """What says where in an utterance its frames begin, in seconds: not at 0 where `decode` found the speech itself."""
    endpoint, wanted_hz = vocabulary.frontend.endpoint, vocabulary.frontend.rate_hz
    if data.feats or data.segments or endpoint is None or wanted_hz is None:
        return lambda utt: 0.0

    def start(utt: str) -> float:
        for _, samples, rate_hz in read_sounds(data, {utt}):
            found = find_speech([resample(samples, rate_hz, wanted_hz)], wanted_hz, endpoint)
            return 0.0 if found is None else found.start_s
        return 0.0

    return start
