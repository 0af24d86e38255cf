"""Say what the models of single words are made of: probabilities, durations, Gaussians, symbols, AIC and BIC."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.characters import composed
from asrkit.config import PathLike, nearest
from asrkit.errors import DataError
from asrkit.families.base import counted
from asrkit.io.files import read_lines
from asrkit.io.json_file import checked, loads
from asrkit.io.model_file import read_model
from asrkit.io.places import as_path
from asrkit.io.reading import reading
from asrkit.models.base import WordModel
from asrkit.models.inside import Chain, Gaussians, Inside
from asrkit.words.vocabulary import Vocabulary

LOGGED = {
    "word": str, "objective": float, "frames": int, "method": str, "states": int, "gaussians": (int, type(None)),
}  # fmt: skip
ROOM = 13  # dimensions side by side
MOST_DIMENSIONS = 39  # that lines show
WIDE = 16  # states whose transitions are a matrix


@dataclass(frozen=True, eq=False)
class WordInfo:
    """What one word's model is made of.

    Attributes
    ----------
    word, family : str
    model : WordModel
    inside : Inside
    dimensions : list of str
        Names of the dimensions of its frames.
    frame_shift_s : float or None
    logged : dict or None
        The last entry of its training's log, where that is of this model: objective, frames, method.
    """

    word: str
    family: str
    model: WordModel
    inside: Inside
    dimensions: list[str]
    frame_shift_s: float | None
    logged: dict[str, Any] | None

    @property
    def criteria(self) -> tuple[float, float] | None:
        """AIC = 2 k - 2 ln L (Akaike, 1974) and BIC = k ln N - 2 ln L (Schwarz, 1978), of k free parameters and N frames."""
        count = self.inside.free_parameters
        if count is None or self.logged is None or not self.logged["frames"]:
            return None
        lost = -2 * self.logged["objective"]
        return 2 * count + lost, count * math.log(self.logged["frames"]) + lost

    def lines(self, most: int) -> list[str]:
        """All of it as tables, with the `most` likeliest Gaussians and symbols of each state; 0: with all."""
        model, inside = self.model, self.inside
        free = inside.free_parameters
        parts = [counted(model.num_states, "state")]
        parts += [f"{model.num_gauss} Gaussians"] if model.num_gauss else []
        parts.append(
            counted(model.num_parameters, "parameter") + ("" if free is None else f", {free} of them free")
        )
        lines = [f"word {self.word} ({self.family}): {', '.join(parts)}"]
        if self.logged is not None:
            objective, frames = self.logged["objective"], self.logged["frames"]
            text = f"log-likelihood {objective:.1f} of {counted(frames, 'frame')} ({self.logged['method']})"
            if self.criteria is not None:
                aic, bic = self.criteria
                text += f", AIC {aic:.1f}, BIC {bic:.1f}"
            lines.append(text)
        if inside.chain is not None:
            lines += chain_lines(inside.chain, self.frame_shift_s)
        if inside.gaussians:
            lines += gaussian_lines(inside, self.dimensions, most)
        if inside.symbols is not None:
            lines += symbol_lines(inside.symbols, most)
        if inside.templates is not None:
            held = inside.templates
            own = int(held.original.sum())
            lines.append(
                f"templates: {len(held.frames)} of {counted(held.frames.shape[1], 'frame')}: "
                f"{counted(own, 'recording')}, {len(held.frames) - own} made of recordings"
            )
            lines.append("factors of their costs: " + " ".join(f"{weight:g}" for weight in held.weights))
        return lines

    def to_json(self) -> dict[str, Any]:
        """Give all of it as JSON values: probabilities, not their logarithms; states in their order."""
        inside = self.inside
        values: dict[str, Any] = {}
        values |= {"states": self.model.num_states, "gaussians": self.model.num_gauss or None}
        values |= {"parameters": self.model.num_parameters, "free_parameters": inside.free_parameters}
        values |= {"dimensions": self.dimensions, "frame_shift_s": self.frame_shift_s}
        if self.logged is not None:
            values |= {"log_likelihood": self.logged["objective"], "frames": self.logged["frames"]}
            values |= {"method": self.logged["method"]}
            values |= dict(zip(("aic", "bic"), self.criteria or (None, None), strict=True))
        chain, shift_s = inside.chain, self.frame_shift_s
        if chain is not None:
            frames = [frames if math.isfinite(frames) else None for frames in chain.durations.tolist()]
            values |= {"start": chain.start.tolist(), "transitions": chain.transitions.tolist()}
            values |= {"exit": chain.exit.tolist(), "mean_frames": frames}
            values["mean_s"] = shift_s and [own and own * shift_s for own in frames]
            values["word_mean_frames"] = chain.word_frames if math.isfinite(chain.word_frames) else None
        if inside.gaussians:
            values["mixtures"] = [mixture_json(own) for own in inside.gaussians]
        if inside.symbols is not None:
            values["symbols"] = inside.symbols.tolist()
        if inside.templates is not None:
            held = inside.templates
            values["templates"] = held.frames.tolist()
            values |= {"recordings": held.original.tolist(), "factors": held.weights.tolist()}
        return values


def word_infos(path: PathLike, words: Sequence[str] = ()) -> tuple[Vocabulary, list[WordInfo]]:
    """Read what words' models are made of; without `words` of all.

    Raises
    ------
    DataError
        There is no model, or a word is not in it: the message says which are.
    """
    vocabulary = read_model(path)
    wanted = [find_word(vocabulary, word, path) for word in words] or list(vocabulary.words)
    folder = as_path(path) if as_path(path).is_dir() else as_path(path).parent
    log = read_last_entries(folder / "train.jsonl")
    taught = () if vocabulary.kept is None else vocabulary.kept.taught
    names = vocabulary.frontend.dimension_names
    shift_s = vocabulary.frontend.kind.frame_shift_s
    infos = []
    for word in wanted:
        model, entry = vocabulary.models[word], None if word in taught else log.get(word)
        # what was adapted or merged since has another log, or none
        if entry and (entry["states"], entry["gaussians"] or 0) != (model.num_states, model.num_gauss):
            entry = None
        infos.append(WordInfo(word, vocabulary.family, model, model.inside, names, shift_s, entry))
    return vocabulary, infos


def find_word(vocabulary: Vocabulary, word: str, path: PathLike) -> str:
    """Give a word of a vocabulary in the form that it has there; a DataError says which words there are."""
    word = composed(word)
    if word not in vocabulary.models:
        known = " ".join(vocabulary.words)
        raise DataError(f"{path}: no word '{word}'{nearest(word, vocabulary.words)}; it has {known}")
    return word


def read_last_entries(path: Path) -> dict[str, dict[str, Any]]:
    """Read the last entry of each word in a training's log; {} where there is none."""
    if not path.exists():
        return {}
    with reading(path, "no training log", "asrkit train makes it"):
        entries = (
            checked(loads(line), LOGGED, f"{path}:{number}", "asrkit train makes it anew")
            for number, line in read_lines(path)
        )
        return {entry["word"]: entry for entry in entries}


def chain_lines(chain: Chain, shift_s: float | None) -> list[str]:
    """Lay out entry, transitions, exit and durations, a line a state; of many states the transitions that there are."""
    count, seconds = len(chain.start), [] if shift_s is None else ["mean s"]
    mean = f"{chain.word_frames:.1f} frames" + (
        "" if shift_s is None else f", {chain.word_frames * shift_s:.3f} s"
    )
    numbers = [str(j) for j in range(1, count + 1)]
    rows = []
    for i, (start, row, leave) in enumerate(zip(chain.start, chain.transitions, chain.exit, strict=True)):
        cells = [_probability(p) for p in row]
        if count > WIDE:
            cells = [
                " ".join(
                    f"{number}:{cell}" for number, cell in zip(numbers, cells, strict=True) if cell != "."
                )
            ]
        duration = float(chain.durations[i])
        tail = [f"{duration:.2f}", *([f"{duration * shift_s:.4f}"] if shift_s is not None else [])]
        rows.append([str(i + 1), _probability(start), *cells, _probability(leave), *tail])
    heads = numbers if count <= WIDE else ["to"]
    return [
        f"the word lasts {mean} on average, as the transitions have it",
        "transitions from each state (rows), with entry and exit; mean duration of a stay",
        *aligned([["state", "entry", *heads, "exit", "mean frames", *seconds], *rows]),
    ]


def _probability(p: float) -> str:
    """A probability in five characters, what is forbidden as a dot."""
    if p == 0:
        return "."
    return f"{p:.3f}" if p >= 5e-4 else f"{p:.0e}"


def gaussian_lines(inside: Inside, names: Sequence[str], most: int) -> list[str]:
    """Lay out weights, means and standard deviations, the heaviest Gaussians of each state first."""
    states = inside.gaussians[:1] if inside.shared else inside.gaussians
    rows: list[tuple[list[str], np.ndarray, np.ndarray]] = []
    left = 0
    for number, own in enumerate(states, 1):
        order = np.argsort(-own.weights, kind="stable")
        if inside.shared:
            order = np.argsort(-np.mean([state.weights for state in inside.gaussians], axis=0), kind="stable")
        shown = order[: most or None]
        left += len(order) - len(shown)
        deviations = own.deviations
        for m in shown:
            label = [str(m + 1)] if inside.shared else [str(number), str(m + 1), _probability(own.weights[m])]
            rows.append((label, own.means[m], deviations[m]))
    head = ["Gaussian"] if inside.shared else ["state", "Gaussian", "weight"]
    full = "full covariances, of which the diagonals are shown" if states[0].full else "diagonal covariances"
    beyond = f"; {left} lighter ones are left out (most=0 shows all)" if left else ""
    lines = [f"Gaussians, means and below them standard deviations; {full}{beyond}"]
    if inside.shared:
        lines[0] = lines[0].replace("Gaussians,", "Gaussians that all states share,")
    many = states[0].means.shape[1]
    for begin in range(0, min(many, MOST_DIMENSIONS), ROOM):
        end = min(begin + ROOM, many, MOST_DIMENSIONS)
        table = [[*head, "", *names[begin:end]]]
        least = np.min([deviations[begin:end] for *_, deviations in rows], axis=0)
        forms = [number_form(own) for own in least]
        for label, means, deviations in rows:
            table.append(
                [*label, "mean", *(f"{x:{form}}" for x, form in zip(means[begin:end], forms, strict=True))]
            )
            sizes = [f"{x:{form}}" for x, form in zip(deviations[begin:end], forms, strict=True)]
            table.append([*[""] * len(label), "sd", *sizes])
        lines += aligned(table)
    if many > MOST_DIMENSIONS:
        lines.append(f"(the first {MOST_DIMENSIONS} of {many} dimensions; json=true gives all)")
    if inside.shared:
        lines += likeliest_lines("Gaussians", [own.weights[None] for own in inside.gaussians], most, 1)
    return lines


def number_form(least: float) -> str:
    """Choose how a column's numbers are written: with two digits of the least standard deviation, or three of each."""
    digits = 1 - math.floor(math.log10(least))
    return f".{digits}f" if 0 <= digits <= 5 else ".3g"


def symbol_lines(symbols: np.ndarray, most: int) -> list[str]:
    """Lay out the likeliest symbols of each state and stream."""
    return likeliest_lines("symbols", list(symbols), most, 0)


def likeliest_lines(what: str, states: Sequence[np.ndarray], most: int, first: int) -> list[str]:
    """Lay out what each state draws most often, of distributions (K, M) a state; 2^entropy says of how many it draws evenly."""
    several = len(states[0]) > 1
    rows = [["state", *(["stream"] if several else []), "2^entropy", f"{what}: probabilities"]]
    for number, streams in enumerate(states, 1):
        for stream, p in enumerate(streams, 1):
            order = np.argsort(-p, kind="stable")[: most or None]
            entropy = -float(sum(own * math.log2(own) for own in p[p > 0].tolist()))
            pairs = "  ".join(f"{m + first:4d}: {_probability(p[m])}" for m in order if p[m] > 0)
            rows.append([str(number), *([str(stream)] if several else []), f"{2**entropy:.1f}", pairs])
    counts = {p.shape[-1] for p in states}
    beyond = f", the {most} likeliest of {max(counts)}" if most and max(counts) > most else ""
    return [f"B, what each state draws ({what} from {first}){beyond}", *aligned(rows, left=True)]


def aligned(rows: Sequence[Sequence[str]], left: bool = False) -> list[str]:
    """Lay out rows of equally many cells in columns, to the right; the last one to the left where that is asked for."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        if left:
            cells[-1] = row[-1]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines


def mixture_json(own: Gaussians) -> dict[str, Any]:
    """Give one state's Gaussians as JSON values."""
    kind = "covariances" if own.full else "variances"
    return {
        "weights": own.weights.tolist(),
        "means": own.means.tolist(),
        "deviations": own.deviations.tolist(),
        kind: own.spread.tolist(),
    }


def words_json(path: PathLike, vocabulary: Vocabulary, infos: Iterable[WordInfo]) -> dict[str, Any]:
    """Give several words as JSON values."""
    return {
        "model": str(path),
        "family": vocabulary.family,
        "words": {own.word: own.to_json() for own in infos},
    }
