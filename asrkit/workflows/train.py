"""Train a model for every word of a data directory -> EXP/final.npz, EXP/train.jsonl, and EXP/iterations.npz where asked for."""

import contextlib
import functools
import itertools
import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asrkit import families
from asrkit.config import PathLike, recorded
from asrkit.errors import DataError
from asrkit.io.data_dir import DataDir
from asrkit.io.facts import data_facts
from asrkit.io.features import (
    FeatureSet,
    ReadConfig,
    check_skipped,
    is_recording,
    read_features,
    read_words,
    summary,
)
from asrkit.io.files import atomic_write, c_sorted, remove
from asrkit.io.holds import holding
from asrkit.io.iterations import NAME as ITERATIONS
from asrkit.io.iterations import write_iterations
from asrkit.io.kept_groups import KEEP_S, KeptGroups
from asrkit.io.model_file import asked_of_codebook, read_codebook, write_model
from asrkit.io.places import as_path
from asrkit.io.store import Source, Store
from asrkit.models.base import WordModel
from asrkit.models.codebook import Codebook
from asrkit.runtime import one_thread, ordered_map, width
from asrkit.words.finishing import finish_words
from asrkit.words.settings import CODEBOOK, TrainingSettings
from asrkit.words.short import counted_short, too_short
from asrkit.words.spread import Spread
from asrkit.words.training import LIMIT, SAMPLE, STEPWISE, TrainConfig
from asrkit.words.training import train_beside as train_words_beside
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.calibrate import confidence_lines, confidence_of, kept_of
from asrkit.workflows.train_codebook import CodebookTrained, make_codebook, publish

FILES = (
    "train.jsonl",
    "num_jobs",
    "train.json",
    "final.npz",
)  # in the order they are written in, iterations.npz before the last
GROUP = 32_768  # frames of the words that one process trains together
FEW = 4  # groups for each process: with fewer, some would wait for the last ones

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Trained:
    """A trained vocabulary and how its training went.

    Attributes
    ----------
    vocabulary : Vocabulary
    entries : list of dict
        What train.jsonl holds: a dict a word and iteration.
    utts : int
        Utterances that were trained on.
    skipped : dict of str to str
        Why the others were not.
    seconds : float
    notes : tuple of str
        What was said before the training began.
    too_short : int
        Of the skipped, those with fewer frames than their word has states.
    histories : dict of str to list of WordModel, or None
        Each word's models, one an entry; None where they were not kept.
    """

    vocabulary: Vocabulary
    entries: list[dict[str, Any]]
    utts: int
    skipped: dict[str, str]
    seconds: float
    notes: tuple[str, ...] = ()
    too_short: int = 0
    histories: dict[str, list[WordModel]] | None = None

    @property
    def by_word(self) -> dict[str, list[dict[str, Any]]]:
        """Each word's entries."""
        entries: dict[str, list[dict[str, Any]]] = {word: [] for word in self.vocabulary.words}
        for entry in self.entries:
            entries[entry["word"]].append(entry)
        return entries

    @property
    def last(self) -> dict[str, dict[str, Any]]:
        """Each word's last entry."""
        return {entry["word"]: entry for entry in self.entries}

    def lines(self) -> list[str]:
        """What was reduced, removed, floored, cut short or left out, Kaldi's line, and how many words and utterances there are."""
        removed = sum(entry["removed"] for entry in self.entries)
        lines = [*self.notes]
        if removed:
            lines.append(
                f"{removed} Gaussians had too few frames and were removed (train.jsonl has them by word and state)"
            )
        limit = self.vocabulary.config["train"]["max_iters"]
        limited = [word for word, entry in self.last.items() if entry["ending"] == LIMIT]
        if limited:
            lines.append(
                f"{len(limited)} words stopped at the iteration limit before they converged ({shown(limited)}): raise max_iters={limit}"
            )
        if self.too_short:
            lines.append(
                f"{self.too_short} recordings are too short for the states of their words and were left out: a smaller num_states=, "
                "or frames_per_state=, lets them in"
            )
        copies = len([factor for factor in self.vocabulary.config["warps"].split(",") if factor])
        said = f", {copies} warped copies of each" if copies else ""
        sure = self.vocabulary.confidence
        return [
            *lines,
            *reductions(self.vocabulary, self.last),
            *([] if sure is None else confidence_lines(sure)),
            f"trained {len(self.vocabulary.words)} words, {summary('on', self.utts, self.skipped)} utterances{said}",
        ]


@one_thread()
@holding("exp")
def train(
    data_dir: PathLike,
    exp: PathLike,
    settings: TrainingSettings,
    *,
    read: ReadConfig | None = None,
    jobs: int = 1,
    keep_s: float = KEEP_S,
    keep_iterations: bool = False,
) -> Trained:
    """Train a vocabulary on a data directory and write EXP/final.npz and its log.

    Killed, and called again with the same data and settings, it goes on from the words that were done.

    Parameters
    ----------
    data_dir : path
        With feats.scp and text, one word an utterance, or one phrase with `phrases=True`.
    exp : path
        A folder; codebook.npz in it is used where the family has codes, and made where it is not there.
    settings : TrainingSettings
    jobs : int
        Processes; the model does not depend on it.
    keep_s : float
        Seconds of finished work that a kill may cost.
    keep_iterations : bool
        Write EXP/iterations.npz, too: every iteration's model of every word, which `asrkit.study.iterations` reads. All of them are
        held in memory.

    Returns
    -------
    Trained

    Raises
    ------
    DataError
        The data can't be trained on, or more utterances than `read.max_skipped` can't be used.
    """
    runs = [(exp, settings)]
    return train_beside(data_dir, runs, read=read, jobs=jobs, keep_s=keep_s, keep_iterations=keep_iterations)[
        0
    ]


def train_beside(
    data_dir: PathLike,
    runs: Sequence[tuple[PathLike, TrainingSettings]],
    *,
    read: ReadConfig | None = None,
    jobs: int = 1,
    keep_s: float = KEEP_S,
    keep_iterations: bool = False,
) -> list[Trained]:
    """Train several vocabularies that differ in the family's settings alone, and share what can be shared.

    Each becomes what `train` alone makes of it, byte for byte.
    """
    exp = runs[0][0]
    read = read or ReadConfig()
    started = time.perf_counter()
    data = read_words(data_dir, runs[0][1].training.phrases)
    facts = data_facts(data)
    each = [own.for_data(facts) for _, own in runs]
    opened = open_training(data, exp, each[0], read)
    kept = KeptGroups(
        as_path(exp), each, opened.codebook, opened.store.data_hash, keep_s, keep_iterations=keep_iterations
    )
    with contextlib.closing(kept):
        trained = train_opened(opened, each, read, jobs, started, kept, keep_iterations=keep_iterations)
    if opened.made is not None:
        publish(opened.made, opened.features.frontend)
    for (own_exp, _), one in zip(runs, trained, strict=True):
        write_training(as_path(own_exp), one, jobs)
    kept.remove()
    return trained


@dataclass(frozen=True)
class OpenedData:
    """What `train` and `init_model` start from.

    Attributes
    ----------
    features : FeatureSet
    store : Store
    codebook : Codebook or None
    notes : tuple of str
    made : CodebookTrained or None
        A codebook that is not in the folder yet: a training that breaks off must leave none, or a later one with
        other data would take it.
    """

    features: FeatureSet
    store: Store
    codebook: Codebook | None
    notes: tuple[str, ...]
    made: CodebookTrained | None = None


def open_training(data: DataDir, exp: PathLike, settings: TrainingSettings, read: ReadConfig) -> OpenedData:
    """Open the features of a data directory, and find or make the codebook; of settings that the data have chosen."""
    features = read_features(
        data,
        need_text=True,
        transform_config=settings.transform,
        projection_config=settings.projection,
        allow_pipes=read.allow_pipes,
        warps=settings.warp.factors,
        memories=settings.warp.memories,
    )
    return open_features(features, exp, settings, read)


def open_features(
    features: FeatureSet,
    exp: PathLike | None,
    settings: TrainingSettings,
    read: ReadConfig,
    *,
    write_codebook: bool = True,
) -> OpenedData:
    """Do the same with a FeatureSet.

    Parameters
    ----------
    exp : path or None
        Where a codebook is looked for and belongs, and a temporary file may lie.
    write_codebook : bool
        False: a codebook is made of its settings, and neither looked for nor to be written.
    """
    codebook: Codebook | None = None
    made: CodebookTrained | None = None
    notes: tuple[str, ...] = ()
    if families.load(settings.family).has_codes:
        path = as_path(exp) / "codebook.npz" if write_codebook and exp is not None else None
        if path is not None and path.exists():
            codebook = fitting_codebook(path, features, settings)
        else:
            made = make_codebook(
                features,
                settings.codebook,
                settings.training.seed,
                exp,
                read.max_skipped,
                path,
            )
            codebook, notes = made.codebook, (made.line(),)
            if path is not None:
                how = f"size {settings.codebook.size}" if settings.asks_symbols else "the default settings"
                missing = f"no {path}: making one with {how} (asrkit train-codebook takes others)"
                notes = (missing, *notes)
    store = Store(features, exp, codebook.quantize if codebook else None)
    check_skipped(features.skipped, read.max_skipped, "read", sum(map(is_recording, store.utts)))
    return OpenedData(features, store, codebook, notes, made if made is not None and made.path else None)


def fitting_codebook(path: Path, features: FeatureSet, settings: TrainingSettings) -> Codebook:
    """A folder's codebook, or a DataError where it is of other features, or of another size than was asked for."""
    codebook, frontend = read_codebook(path)
    if frontend != features.frontend:
        mine = features.frontend
        other = "of another kind"
        if replace(frontend, prior=mine.prior) == mine:
            other = "normalised by the mean and variance of other recordings"
        elif replace(frontend, prior=mine.prior, projection=mine.projection) == mine:
            other = "that are projected otherwise, or by other recordings"
        raise DataError(f"{path}: made of features {other} (delete it, or asrkit train-codebook again)")
    wanted = settings.model.num_symbols
    if settings.asks_symbols and wanted not in (codebook.size, asked_of_codebook(path)):
        raise DataError(
            f"{path}: a codebook of {codebook.size} vectors, not of num_symbols={wanted} (delete it, and one of that size is "
            f"made, or leave num_symbols out)"
        )
    return codebook


@one_thread()
def train_opened(
    opened: OpenedData,
    settings: list[TrainingSettings],
    read: ReadConfig,
    jobs: int = 1,
    started: float | None = None,
    kept: KeptGroups | None = None,
    *,
    keep_iterations: bool = False,
) -> list[Trained]:
    """Train on data that is open, once for each of several settings of the family."""
    started = time.perf_counter() if started is None else started
    features, store, family_name = opened.features, opened.store, settings[0].family
    configs = [model_config(own, opened.codebook) for own in settings]
    sources = word_sources(features, store)
    least = families.load(family_name).few_recordings
    few = [word for word, source in sources.items() if sum(map(is_recording, source.utts)) < least]
    if few:
        log.warning(
            "%d words have fewer than %d recordings (%s, ...): expect errors", len(few), least, few[0]
        )
    commons = common_starts(family_name, configs, settings[0].training.seed, store)
    work = functools.partial(
        train_group, family_name, configs, settings[0].training, commons, keep_iterations
    )
    found: list[dict[str, Any]] = [{} for _ in settings]
    histories: list[dict[str, list[WordModel]]] = [{} for _ in settings]
    groups, done = group_words(sources), kept.results() if kept else []
    if done:
        log.info("goes on: %d of %d groups of words were done", len(done), len(groups))
    todo: list[tuple[Any, ...]] = list(groups[len(done) :])
    stepping = settings[0].training.method == STEPWISE
    if kept and stepping and not keep_iterations:
        todo = [(*group, kept.steps(number)) for number, group in enumerate(todo, len(done))]
    by_blocks = store.in_file and not stepping and families.load(family_name).adds_up
    run = None
    if by_blocks and width(jobs) > 1 and len(groups) < FEW * width(jobs):
        run = Spread(sources, jobs, kept.sums() if kept else None)
    rest: Iterable[Any]
    if run is not None and todo:
        rest = [work(joined(todo), run=run)]  # nothing of it is done before all is
    else:
        rest = ordered_map(work, todo, jobs=jobs, label="groups of words")
    for number, (results, group_histories) in enumerate(itertools.chain(done, rest)):
        if kept and run is None and number >= len(done):
            kept.add((results, group_histories))
        for whole_history, part_history in zip(histories, group_histories):
            whole_history.update(part_history)
        for whole, part in zip(found, results, strict=True):
            whole.update(part)
            for word, (_, entries) in part.items():
                log.info(
                    "%s: %d iterations, %.3f a frame over %d utterances, %s",
                    word,
                    len(entries),
                    entries[-1]["per_frame"],
                    entries[-1]["utts"],
                    entries[-1]["ending"],
                )
    trained = []
    for own, config, by_word, history in zip(settings, configs, found, histories, strict=True):
        by_word = finish_words(
            family_name, config, by_word, [own for _, own in groups], jobs, opened.codebook, run
        )
        models = {word: model for word, (model, _) in by_word.items()}
        for word, models_of_word in history.items():
            if len(models_of_word) < len(by_word[word][1]):
                models_of_word.append(models[word])  # as it is finished
        short = {word: too_short(sources[word], model) for word, model in models.items()}
        skipped = {
            **features.skipped,
            **{utt: why for own_short in short.values() for utt, why in own_short.items()},
        }
        used = sum(map(is_recording, store.utts)) + len(features.skipped) - len(skipped)
        counted = counted_short(short, sources, asked="num_states" in own.asked)
        least_frames = min((length for word in short for length in sources[word].lengths), default=0)
        remedy = f", or ask for fewer states: num_states={max(least_frames, 1)}" if counted else ""
        check_skipped({**features.skipped, **counted}, read.max_skipped, "trained on", used, remedy)
        entries = [entry for _, entries in by_word.values() for entry in entries]
        seconds = round(time.perf_counter() - started, 3)
        vocabulary = vocabulary_of(own, models, opened)
        if own.training.calibrate and families.load(family_name).adds_up:
            known = confidence_of(vocabulary, features.data, store, jobs)
            vocabulary = replace(vocabulary, confidence=known)
            vocabulary = replace(vocabulary, kept=kept_of(vocabulary, features, store))
        num_short = len(skipped) - len(features.skipped)
        notes = (*filter(None, [own.why()]), *opened.notes)
        trained.append(
            Trained(
                vocabulary,
                entries,
                used,
                skipped,
                seconds,
                notes,
                num_short,
                history if keep_iterations else None,
            )
        )
    return trained


def model_config(settings: TrainingSettings, codebook: Codebook | None) -> Any:
    """The family's settings, its number of symbols being the codebook's size."""
    return settings.model if codebook is None else replace(settings.model, num_symbols=codebook.size)


def vocabulary_of(settings: TrainingSettings, models: dict[str, WordModel], opened: OpenedData) -> Vocabulary:
    """Everything that goes into the model file; the number of jobs does not."""
    config = {
        "family": recorded(model_config(settings, opened.codebook)),
        "train": recorded(settings.training),
        "warps": ",".join(opened.features.warps),
        "train_memory": settings.warp.train_memory,
    }
    own = [
        name for name in settings.ruled if not name.startswith(CODEBOOK)
    ]  # the codebook has its own record
    if own and settings.facts is not None:
        config["rules"] = {"facts": vars(settings.facts), "settings": own}
    return Vocabulary(
        settings.family,
        tuple(models),
        models,
        config,
        opened.codebook,
        opened.features.frontend,
        opened.store.data_hash,
    )


def write_training(exp: Path, trained: Trained, jobs: int) -> None:
    """Write the model, and beside it what it must not know: its log, how long it took, with how many jobs."""
    # of an earlier training: must not stand beside the new log if writing breaks off
    for name in ("final.npz", ITERATIONS):
        remove(exp / name)
    with atomic_write(exp / "train.jsonl") as stream:
        stream.writelines(json.dumps(entry, sort_keys=True) + "\n" for entry in trained.entries)
    with atomic_write(exp / "num_jobs") as stream:
        stream.write(f"{jobs}\n")
    with atomic_write(exp / "train.json") as stream:
        facts = {"seconds": trained.seconds, "utts": trained.utts, "skipped": trained.skipped}
        json.dump(facts, stream, sort_keys=True)
        stream.write("\n")
    if trained.histories is not None:
        write_iterations(exp / ITERATIONS, trained.vocabulary, trained.by_word, trained.histories)
    write_model(exp / "final.npz", trained.vocabulary)


def reductions(vocabulary: Vocabulary, last: dict[str, dict[str, Any]]) -> list[str]:
    """Say what was reduced or floored, and Kaldi's line; `last` is each word's last entry of the log."""
    family, config, lines = families.load(vocabulary.family), vocabulary.family_config, []
    asked = family.wanted_states(config)
    fewer = {word: entry["states"] for word, entry in last.items() if entry["states"] < asked}
    if fewer:
        least, most = min(fewer.values()), max(fewer.values())
        lines.append(
            f"{len(fewer)} words ({shown(list(fewer))}) have {least}{f' to {most}' * (most > least)} states, not {asked}: "
            "their recordings are too short for more (words whose shortest are cut anew or removed get more)"
        )
    poorer = [
        word
        for word, entry in last.items()
        if entry["gaussians"] < family.wanted_gaussians(config, entry["states"])
    ]
    if poorer:
        a_state = " a state" if family.gaussians_a_state else ""
        lines.append(
            f"{len(poorer)} words ({shown(poorer)}) have fewer Gaussians than {config.num_gauss}{a_state}: too few frames for more"
        )
    floored = sum(entry["floored"] for entry in last.values())
    if floored:
        lines.append(f"{floored} variances stand on their floor (train.jsonl has them by word and state)")
    frames = sum(entry["frames"] for entry in last.values())
    total = sum(entry["objective"] for entry in last.values())
    return [*lines, f"Overall log-likelihood per frame is {total / frames:.5f} over {frames} frames."]


def shown(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def train_group(
    family_name: str,
    family_configs: list[Any],
    train_config: TrainConfig,
    commons: Mapping[tuple[int, int], Any],
    keep_iterations: bool,
    group: tuple[Any, ...],
    run: Spread | None = None,
) -> tuple[list[dict[str, tuple[WordModel, list[dict[str, Any]]]]], list[dict[str, list[WordModel]]]]:
    indices, sources, *steps = group
    histories: list[dict[str, list[WordModel]]] = []
    results = train_words_beside(
        family_name,
        family_configs,
        train_config,
        sources,
        indices,
        commons=commons,
        histories=histories if keep_iterations else None,
        steps=steps[0] if steps else None,
        run=run,
    )
    return results, histories


def joined(groups: list[tuple[Any, ...]]) -> tuple[dict[str, int], dict[str, Source]]:
    """Make one group of all."""
    indices = {word: index for own, _ in groups for word, index in own.items()}
    return indices, {word: source for _, own in groups for word, source in own.items()}


def common_starts(
    family_name: str, family_configs: Sequence[Any], seed: int, store: Store
) -> dict[tuple[int, int], Any]:
    """What the trainings of all words start from: dict of (start, place of the settings) to that; empty where each word has its own."""
    family = families.load(family_name)
    sharing = [place for place, config in enumerate(family_configs) if family.starts_in_common(config)]
    if not sharing:
        return {}
    sample = store.sample(store.utts, SAMPLE)
    return {
        (start, place): family.common_start(
            family_configs[place], sample, np.random.default_rng([seed, start])
        )
        for place in sharing
        for start in range(family.num_starts(family_configs[place]))
    }


def group_words(sources: Mapping[str, Source]) -> list[tuple[dict[str, int], dict[str, Source]]]:
    """Words that are trained together: [(dict of word to its index, dict of word to its source)].

    Their utterances advance abreast, which is quicker than word by word; a group has `GROUP` frames at the most, or one
    word: so many small pieces are shared more evenly among the processes.
    """
    groups: list[tuple[dict[str, int], dict[str, Source]]] = []
    frames = GROUP
    for index, (word, source) in enumerate(sources.items()):
        own = source.lengths.sum()
        if frames + own > GROUP:
            groups.append(({}, {}))
            frames = 0
        groups[-1][0][word], groups[-1][1][word] = index, source
        frames += own
    return groups


def word_sources(features: FeatureSet, store: Store) -> dict[str, Source]:
    """Dict of word to BlockSource, in C-locale order of the words."""
    utts: dict[str, list[str]] = {}
    for utt in store.utts:
        utts.setdefault(store.words[utt], []).append(utt)
    missing = sorted({features.data.text[utt] for utt in features.skipped} - set(utts))
    if missing:
        raise DataError(
            f"{features.place('text')}: word '{missing[0]}' has no utterance that can be used (record it again)"
        )
    return {word: store.source(utts[word]) for word in c_sorted(utts)}
