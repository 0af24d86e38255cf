"""Learn how sure a trained vocabulary may be, from recordings that are held out -> EXP/final.npz with its confidence."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from asrkit import families
from asrkit.config import PathLike
from asrkit.errors import DataError
from asrkit.evaluation import folds
from asrkit.features.warp import WarpConfig
from asrkit.io.combine import side_table
from asrkit.io.data_dir import ORIGINALS, DataDir
from asrkit.io.facts import data_facts
from asrkit.io.features import FeatureSet, ReadConfig, check_skipped, is_recording, read_features, read_words
from asrkit.io.holds import holding
from asrkit.io.keeping import keep_recordings
from asrkit.io.model_file import read_model, write_model
from asrkit.io.places import as_path
from asrkit.io.store import Store
from asrkit.models.base import BlockSource
from asrkit.runtime import one_thread
from asrkit.words.calibration import learn_confidence
from asrkit.words.confidence import Confidence
from asrkit.words.kept import Kept
from asrkit.words.vocabulary import Vocabulary

FOLDS = 5
KEPT_PART = 4  # of the models, what the recordings may take that stay in the model file
SPEAKERS = 3  # with fewer, folds are of recordings

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Calibrated:
    """How sure a vocabulary may be.

    Attributes
    ----------
    vocabulary : Vocabulary
        With its confidence.
    """

    vocabulary: Vocabulary

    def lines(self) -> list[str]:
        """What was held out, and what passes at 5 % false rejections."""
        assert self.vocabulary.confidence is not None
        return confidence_lines(self.vocabulary.confidence)


def confidence_lines(confidence: Confidence) -> list[str]:
    """Say what a confidence promises."""
    if confidence.folds == "none":
        return [
            "confidence: too few recordings to hold any out; its probabilities are rough, and no share of false rejections can be promised"
        ]
    rate = 0.05
    spread = confidence.spread.get(rate)
    by_speaker = "" if spread is None else f" (from speaker to speaker ± {100 * spread:.0f})"
    return [
        f"confidence: where {100 * rate:.0f} % of the right words are rejected{by_speaker}, {100 * confidence.accepted[rate]:.1f} % of unknown "
        f"words pass; {confidence.folds} held out, each word unknown in turn"
    ]


@one_thread()
@holding("exp")
def calibrate(
    exp: PathLike, data_dir: PathLike, *, read: ReadConfig | None = None, jobs: int = 1
) -> Calibrated:
    """Learn how sure the model of EXP may be, and write it into EXP/final.npz.

    Parameters
    ----------
    exp : path
        Folder with final.npz.
    data_dir : path
        Its training data, parts of which are taken out of the models in turn; or other recordings of all its words, which are heard by
        the models as they are.
    jobs : int
        Processes.

    Raises
    ------
    DataError
        The family has nothing to be judged by, or a word has no recording that can be used.
    """
    read, path = read or ReadConfig(), as_path(exp)
    vocabulary = read_model(path)
    if not families.load(vocabulary.family).adds_up:
        raise DataError(
            f"{exp}: a {vocabulary.family} has no states to be judged by (a chmm, gmm, schmm or dhmm has)"
        )
    warp = WarpConfig(vocabulary.config["warps"], train_memory=vocabulary.config.get("train_memory", "none"))
    data = read_words(data_dir, vocabulary.phrases)
    features = read_features(
        data,
        need_text=True,
        frontend=vocabulary.frontend,
        allow_pipes=read.allow_pipes,
        warps=warp.factors,
        memories=warp.memories,
    )
    store = Store(features, exp, vocabulary.observe)
    check_skipped(features.skipped, read.max_skipped, "read", sum(map(is_recording, store.utts)))
    missing = [word for word in vocabulary.words if word not in store.words.values()]
    if missing:
        raise DataError(f"{data_dir}: no recording of '{missing[0]}', a word of the model, that can be used")
    calibrated = replace(vocabulary, confidence=confidence_of(vocabulary, data, store, jobs))
    if vocabulary.kept is None or not vocabulary.kept.recorded:
        calibrated = replace(calibrated, kept=kept_of(vocabulary, features, store))
    write_model(path / "final.npz" if path.is_dir() else path, calibrated)
    return Calibrated(calibrated)


@one_thread()
def confidence_of(vocabulary: Vocabulary, data: DataDir, store: Store, jobs: int = 1) -> Confidence:
    """Learn how sure a vocabulary may be from data that are open.

    Parts are taken out of the models where they were trained on these data.
    """
    recorded = [utt for utt in store.utts if is_recording(utt) and store.words[utt] in vocabulary.words]
    words = {utt: store.words[utt] for utt in recorded}
    known = data_facts(data).speakers or 0
    # where nobody knows who speaks each recording would be a speaker, and their spread would say nothing
    speakers = {utt: data.speaker(utt) if known else "" for utt in recorded}
    if known >= SPEAKERS:
        held, fold_of = "speakers", folds.by_speaker(speakers, min(FOLDS, len(set(speakers.values()))))
    else:
        held, fold_of = "recordings", folds.at_random(words, side_table(data, ORIGINALS, recorded), FOLDS, 0)
    trained_on = store.data_hash == vocabulary.data_hash
    heard = _sources(store, {utt: (fold_of[utt], word) for utt, word in words.items()})
    learned = heard
    if trained_on:
        copies = {
            utt: (fold_of[own], store.words[utt])
            for utt in store.utts
            if (own := utt if is_recording(utt) else utt.utt) in fold_of
        }
        learned = _sources(store, copies)
    return learn_confidence(vocabulary, learned, heard, speakers, held, trained_on=trained_on, jobs=jobs)


def kept_of(vocabulary: Vocabulary, features: FeatureSet, store: Store) -> Kept | None:
    """A few recordings of each word, by which a word that is taught later is judged; a quarter of the size of the models at the most."""
    if not families.load(vocabulary.family).can_teach:
        return vocabulary.kept
    size = sum(a.nbytes for model in vocabulary.models.values() for a in model.to_arrays().values())
    words = {
        utt: store.words[utt]
        for utt in store.utts
        if is_recording(utt) and store.words[utt] in vocabulary.words
    }
    recorded = keep_recordings(features, words, size // KEPT_PART)
    return replace(vocabulary.kept or Kept(), recorded=recorded) if recorded else vocabulary.kept


def _sources(store: Store, places: Mapping) -> dict[str, dict[str, BlockSource]]:
    """Dict of fold to dict of word to source, given each utterance's fold and word."""
    utts: dict[str, dict[str, list]] = {}
    for utt, (fold, word) in places.items():
        utts.setdefault(fold, {}).setdefault(word, []).append(utt)
    return {
        fold: {word: store.source(own) for word, own in by_word.items()} for fold, by_word in utts.items()
    }
