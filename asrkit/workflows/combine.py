"""Combine the decodings of several systems into one decode folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asrkit.characters import phrase
from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.io.archive import read_scp
from asrkit.io.data_dir import read_data_dir
from asrkit.io.decodings import check_scored, hears_phrases, read_facts
from asrkit.io.files import atomic_write, c_sorted, read_table
from asrkit.io.holds import holding
from asrkit.io.places import as_path
from asrkit.runtime import one_thread
from asrkit.words.fusion import fuse, learn_weights
from asrkit.workflows.decode import write_decoding


@dataclass(frozen=True)
class Combined:
    """Several decodings as one.

    Attributes
    ----------
    decode_dirs : tuple of path
    weights : tuple of float
        Of each of `decode_dirs`.
    hypotheses : dict of str to str
        Utterance to the word with the best sum.
    skipped : dict of str to str
        Utterances without a hypothesis, with the reasons.
    """

    decode_dirs: tuple[PathLike, ...]
    weights: tuple[float, ...]
    hypotheses: dict[str, str]
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        """The weights, then how many utterances were combined."""
        pairs = zip(self.decode_dirs, self.weights, strict=True)
        weighted = [f"{weight:.5g} x {folder}" for folder, weight in pairs]
        return [*weighted, f"combined {len(self.hypotheses)}, skipped {len(self.skipped)}"]


@one_thread()
@holding("out_dir")
def combine(
    out_dir: PathLike,
    decode_dirs: Sequence[PathLike],
    *,
    weights: Sequence[float] | None = None,
    learn: PathLike | None = None,
    held_out: Sequence[PathLike] | None = None,
) -> Combined:
    """Sum the scores of several systems and write the decode folder of the sum.

    Parameters
    ----------
    out_dir : path
        Folder for hyp, scores.scp, skipped, words.txt, decode.json, and combine.json with the weights.
    decode_dirs : sequence of path
        At least two decode folders of the same data directory.
    weights : sequence of float, optional
        One for each decode folder, none below 0; equal by default.
    learn : path, optional
        Data directory whose text teaches the weights instead.
    held_out : sequence of path, optional
        Decodings of `learn` by the same systems in the same order, best those of models that were not
        trained on what they decode.

    Returns
    -------
    Combined

    Raises
    ------
    SettingsError
        The weights do not fit the folders, or two settings contradict each other.
    DataError
        A file is missing or broken, or the folders have nothing in common.
    """
    check_settings(decode_dirs, weights, learn, held_out)
    utts, words, scores = read_scores(decode_dirs)
    if learn is not None and held_out is not None:
        used = taught_weights(learn, held_out)
    else:
        used = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    fused = fuse(scores, used)
    heard = np.isfinite(fused).any(axis=1)
    hyps = {utt: words[best] for utt, best, ok in zip(utts, fused.argmax(axis=1), heard, strict=True) if ok}
    skipped = {
        utt: "no word has a score in all systems" for utt, ok in zip(utts, heard, strict=True) if not ok
    }
    common = set(utts)
    for path in map(as_path, decode_dirs):
        missing = {
            utt: "not decoded by all systems" for utt in read_table(path / "scores.scp") if utt not in common
        }
        given_up = {utt: reason for utt, reason in read_table(path / "skipped").items() if utt not in hyps}
        skipped = {**missing, **skipped, **given_up}
    out = as_path(out_dir)
    write_decoding(
        out,
        hyps,
        zip(utts, fused, strict=True),
        skipped,
        {"family": "combination", "words": words, "frames": 0, "seconds": 0.0},
    )
    with atomic_write(out / "combine.json") as stream:
        json.dump({"weights": dict(zip(map(str, decode_dirs), used.tolist(), strict=True))}, stream, indent=1)
        stream.write("\n")
    return Combined(tuple(decode_dirs), tuple(used.tolist()), hyps, skipped)


def check_settings(
    decode_dirs: Sequence[PathLike],
    weights: Sequence[float] | None,
    learn: PathLike | None,
    held_out: Sequence[PathLike] | None,
) -> None:
    """Refuse, by a SettingsError, settings of `combine` that are impossible or contradict each other."""
    count = len(decode_dirs)
    if count < 2:
        raise SettingsError(f"{count} decode folder{'s' * (count != 1)}: at least two are combined")
    folders = "" if held_out is None else ",".join(map(str, held_out))
    if learn is None and held_out is not None:
        raise SettingsError(f"held_out={folders} without learn=DIR: they go together")
    if learn is not None and held_out is None:
        raise SettingsError(f"learn={learn} without held_out=FOLDERS: they go together")
    if held_out is not None and len(held_out) != count:
        raise SettingsError(f"held_out={folders}: {len(held_out)} folders for {count} systems")
    if weights is None:
        return
    told = ",".join(f"{weight:g}" if isinstance(weight, int | float) else str(weight) for weight in weights)
    if learn is not None:
        raise SettingsError(f"weights={told} or learn={learn}, not both")
    try:
        given = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise SettingsError(f"weights={told} are not numbers") from None
    if given.shape != (count,) or not (np.isfinite(given) & (given >= 0)).all() or not given.any():
        raise SettingsError(f"weights={told}: {count} numbers are needed, none below 0 and not all 0")


def taught_weights(data_dir: PathLike, decode_dirs: Sequence[PathLike]) -> np.ndarray:
    """Learn weights from held-out decodings of a data directory: float64 array (K,)."""
    text = read_data_dir(data_dir, require=("text",)).text
    utts, words, scores = read_scores(decode_dirs)
    text = {utt: phrase(said) for utt, said in text.items()}
    known = [i for i, utt in enumerate(utts) if text.get(utt) in words]
    if not known:
        raise DataError(
            f"{data_dir}/text: none of the {len(utts)} utterances of {decode_dirs[0]} says a word that it knows (was another directory decoded?)"
        )
    said = np.array([words.index(text[utts[i]]) for i in known])
    try:
        return learn_weights(scores[:, known], said)
    except DataError as error:
        raise DataError(f"{decode_dirs[0]}: {error}") from None


def read_scores(decode_dirs: Sequence[PathLike]) -> tuple[list[str], list[str], np.ndarray]:
    """Read what several decode folders have in common.

    Returns
    -------
    utts : list of str
        The utterances that all have.
    words : list of str
        The words that any has, in C-locale order.
    scores : float64 array (K, U, W)
        -inf where a system does not know the word.
    """
    tables, vocabularies = [], []
    for path in map(as_path, decode_dirs):
        if not (path / "scores.scp").exists():
            raise DataError(f"{path}: no scores.scp in this folder (asrkit decode makes it)")
        tables.append(read_table(path / "scores.scp"))
        check_scored(path, tables[-1])
        # where columns stand side by side a phrase has no blanks
        known = (read_facts(path) or {}).get("words") if hears_phrases(path) else None
        vocabularies.append(known or list(read_table(path / "words.txt")))
    utts = [utt for utt in tables[0] if all(utt in table for table in tables)]
    if not utts:
        raise DataError(
            f"{decode_dirs[0]} and the others have no utterance in common (decode the same directory)"
        )
    words = c_sorted({word for vocabulary in vocabularies for word in vocabulary})
    scores = np.full((len(tables), len(utts), len(words)), -np.inf)
    for own, table, vocabulary, folder in zip(scores, tables, vocabularies, decode_dirs, strict=True):
        columns = [words.index(word) for word in vocabulary]
        scp, path = {utt: table[utt] for utt in utts}, as_path(folder) / "scores.scp"
        for row, (utt, vector) in zip(own, read_scp(scp, path=path), strict=True):
            if vector.shape != (len(columns),):
                raise DataError(
                    f"{table[utt]}: scores of shape {vector.shape} for {len(columns)} words (decode again)"
                )
            row[columns] = vector
    return utts, words, scores
