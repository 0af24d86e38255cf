"""Move a trained vocabulary to one speaker, room or microphone by a few recordings of known words -> OUT/final.npz."""

import json
from dataclasses import dataclass, replace
from typing import Any

from asrkit.audio.endpoint import EndpointConfig
from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.io.features import (
    ENDPOINT_RECORD,
    FeatureSet,
    ReadConfig,
    check_skipped,
    read_features,
    read_record,
    summary,
)
from asrkit.io.files import atomic_write, remove
from asrkit.io.holds import holding
from asrkit.io.model_file import read_model, write_model
from asrkit.io.places import as_path
from asrkit.io.store import Source, Store
from asrkit.runtime import one_thread
from asrkit.words.adaptation import MLLR, AdaptConfig, adapt_words
from asrkit.words.short import too_short
from asrkit.words.vocabulary import Vocabulary


@dataclass(frozen=True)
class Adapted:
    """A vocabulary that was moved.

    Attributes
    ----------
    vocabulary : Vocabulary
    entries : list of dict
        What adapt.jsonl holds: a dict a word and iteration.
    silent : list of str
        Words that had no recordings.
    method : str
    utts : int
    skipped : dict of str to str
    """

    vocabulary: Vocabulary
    entries: list[dict[str, Any]]
    silent: list[str]
    method: str
    utts: int
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        """The words that have no recordings, and Kaldi's line before and after."""
        lines = []
        if self.silent:
            names = ", ".join(self.silent[:5]) + (", ..." if len(self.silent) > 5 else "")
            moved = MLLR in self.method
            fate = "moved with the others" if moved else f"left behind (method={MLLR} moves them, too)"
            lines.append(f"{len(self.silent)} words ({names}) have no recordings: {fate}")
        first, last = (
            {entry["word"]: entry for entry in some}.values() for some in (self.entries[::-1], self.entries)
        )
        frames = sum(entry["frames"] for entry in first)
        before, after = (sum(entry["log_like"] for entry in some) / max(frames, 1) for some in (first, last))
        words = len(self.vocabulary.words)
        return [
            *lines,
            f"Overall log-likelihood per frame was {before:.5f}, is {after:.5f} over {frames} frames.",
            f"adapted {words - len(self.silent)} of {words} words, {summary('to', self.utts, self.skipped)} utterances",
        ]


@one_thread()
@holding("out")
def adapt(
    exp: PathLike,
    data_dir: PathLike,
    out: PathLike,
    config: AdaptConfig | None = None,
    *,
    read: ReadConfig | None = None,
) -> Adapted:
    """Adapt the model of `exp` to the recordings of a data directory and write OUT/final.npz and OUT/adapt.jsonl.

    Raises
    ------
    DataError
        The family can't be adapted so, or no utterance says a word of the model and can be used.
    """
    read, config, out = read or ReadConfig(), config or AdaptConfig(), as_path(out)
    vocabulary = read_model(exp)
    vocabulary.check_adaptable(config.method)
    features = read_features(
        data_dir,
        need_text=True,
        phrases=vocabulary.phrases,
        frontend=vocabulary.frontend,
        allow_pipes=read.allow_pipes,
        memories=("speaker",),  # as decode normalises this speaker's
    )
    endpoint = read_record(EndpointConfig, features.data.path / ENDPOINT_RECORD)
    adapted = adapt_opened(vocabulary, features, config, out, read, endpoint)
    # of an earlier adaptation: must not stand beside the new log if writing breaks off
    remove(out / "final.npz")
    with atomic_write(out / "adapt.jsonl") as stream:
        stream.writelines(json.dumps(entry, sort_keys=True) + "\n" for entry in adapted.entries)
    write_model(out / "final.npz", adapted.vocabulary)
    return adapted


@one_thread()
def adapt_opened(
    vocabulary: Vocabulary,
    features: FeatureSet,
    config: AdaptConfig,
    folder: PathLike | None,
    read: ReadConfig,
    endpoint: EndpointConfig | None = None,
) -> Adapted:
    """Adapt a vocabulary to features that are open.

    Parameters
    ----------
    folder : path or None
        Where a temporary file may lie.
    endpoint : EndpointConfig, optional
        How these recordings were cut: the adapted model hears so, and where nobody cut them, as those of its training.
    """
    store = Store(features, folder, vocabulary.observe)
    sources, unfit = word_sources(store, vocabulary)
    skipped = {**features.skipped, **unfit}
    used = len(store.utts) + len(features.skipped) - len(skipped)
    check_skipped(skipped, read.max_skipped, "adapted to", used)
    if not used:
        raise DataError(
            f"{features.place('text')}: no utterance says a word of the model and can be used (record some)"
        )
    num_blocks = vocabulary.frontend.num_blocks
    models, entries = adapt_words(vocabulary.models, sources, config, vocabulary.family_config, num_blocks)
    history = [*vocabulary.config.get("adapt", []), {**vars(config), "data_hash": store.data_hash}]
    moved = replace(
        vocabulary,
        models=models,
        config={**vocabulary.config, "adapt": history},
        frontend=replace(vocabulary.frontend, endpoint=endpoint or vocabulary.frontend.endpoint),
    )
    silent = [word for word in models if word not in sources]
    return Adapted(moved, entries, silent, config.method, used, skipped)


def word_sources(store: Store, vocabulary: Vocabulary) -> tuple[dict[str, Source], dict[str, str]]:
    """dict of word to BlockSource, in the model's order, and why the other utterances can't be used."""
    utts: dict[str, list[str]] = {word: [] for word in vocabulary.words}
    skipped: dict[str, str] = {}
    for utt in store.utts:
        word = store.words[utt]
        if word in utts:
            utts[word].append(utt)
        else:
            skipped[utt] = f"the model has no word '{word}'"
    sources = {}
    for word, own in utts.items():
        if own:
            source = store.source(own)
            short = too_short(source, vocabulary.models[word])
            skipped.update(short)
            if len(short) < len(own):
                sources[word] = source
    return sources, skipped
