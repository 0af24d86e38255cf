"""Say what a file or folder holds."""

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.config import PathLike, parse_int
from asrkit.errors import DataError
from asrkit.families.base import DataFacts
from asrkit.features.frontend import FrontEnd
from asrkit.io.archive import read_ark, read_scp
from asrkit.io.audio import audio_info
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import open_bytes, read_lines, read_numbers, read_table
from asrkit.io.iterations import KIND as ITERATIONS
from asrkit.io.iterations import read_iterations
from asrkit.io.memory_file import read_memory
from asrkit.io.mixgop_file import KIND, read_mixgop
from asrkit.io.model_file import (
    BLOCK_STATS,
    fitting,
    npz_kind,
    read_block_stats,
    read_codebook,
    read_model,
    read_stats,
)
from asrkit.io.places import as_path

DATA_FILES = ("wav.scp", "feats.scp", "text", "utt2spk")


@dataclass(frozen=True)
class Info:
    """What a file or folder holds.

    Attributes
    ----------
    path : Path
    kind : str
        "data directory", "exp folder", "archive", "recording", "model", "codebook", "statistics",
        "speaker", "record of iterations" or "MixGoP model".
    text : list of str
    values : dict or None
        Of a model whose words were asked for, what they are made of as JSON values.
    """

    path: Path
    kind: str
    text: list[str]
    values: dict[str, Any] | None = None

    def lines(self) -> list[str]:
        """What it holds, line by line."""
        return list(self.text)


def info(path: PathLike, *, allow_pipes: bool = False) -> Info:
    """Describe a model, codebook, statistics, speaker, data directory, ark, scp, recording or exp folder.

    Parameters
    ----------
    path : path
    allow_pipes : bool
        Run shell pipes found in an scp file.

    Returns
    -------
    Info

    Raises
    ------
    DataError
        There is no such file, or it is broken, or none of these.
    """
    path = as_path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir():
        return describe_folder(path)
    if path.suffix == ".npz" or starts_as_zip(path):
        return describe_npz(path)
    if path.suffix == ".scp":
        table = read_table(path, check_sorted=False)
        pairs = read_scp(table, base=path.parent, allow_pipes=allow_pipes, path=path)
        return Info(path, "archive", describe_archive(path, pairs))
    if path.suffix == ".ark":
        return Info(path, "archive", describe_archive(path, read_ark(path)))
    return Info(path, "recording", describe_recording(path))


def info_words(path: PathLike, words: Sequence[str] = (), *, most: int = 8) -> Info:
    """Describe the models of some words: the chain of states, durations, Gaussians or symbols, parameters, AIC and BIC.

    Parameters
    ----------
    path : path
        Folder with final.npz, or a model file.
    words : sequence of str
        Of the model; all where none is given.
    most : int
        Gaussians and symbols of a state that the lines have; 0: all.

    Returns
    -------
    Info
        With `values`.

    Raises
    ------
    DataError
        There is no model, or no such word in it.
    """
    from asrkit.workflows.word_info import word_infos, words_json  # late: of use here only

    vocabulary, infos = word_infos(path, words)
    lines = [line for own in infos for line in ("", *own.lines(most))][1:]
    return Info(as_path(path), "words", lines, words_json(path, vocabulary, infos))


def starts_as_zip(path: Path) -> bool:
    with open_bytes(path) as stream:
        return stream.read(2) == b"PK"


def describe_folder(path: Path) -> Info:
    """Describe a data directory or the folder of a training: Info."""
    if any((path / name).exists() for name in DATA_FILES):
        return Info(path, "data directory", describe_data(path))
    if (path / "final.npz").exists() or (path / "codebook.npz").exists():
        lines = [f"exp folder {path}"]
        for name in ("codebook.npz", "final.npz"):
            if (path / name).exists():
                lines += describe_npz(path / name).text
        for wer in sorted(path.glob("decode*/wer_*")):
            lines += [f"{wer}: {line}" for _, line in itertools.islice(read_lines(wer), 1)]
        return Info(path, "exp folder", lines)
    raise DataError(
        f"{path}: neither a data directory (none of {', '.join(DATA_FILES)}) nor an exp folder (no final.npz)"
    )


def describe_data(path: Path) -> list[str]:
    """Count what a data directory holds: lines."""
    data = read_data_dir(path)
    words: dict[str, int] = {}
    for text in data.text.values():
        words[text] = words.get(text, 0) + 1
    files = " ".join(sorted(p.name for p in path.iterdir() if p.is_file() and not p.name.startswith(".")))
    lines = [
        f"data directory {path}",
        f"files: {files}",
        f"utterances: {len(data.utts)}",
        f"speakers: {len({data.speaker(utt) for utt in data.utts})}",
    ]
    if words:
        most = ", ".join(f"{word} {words[word]}" for word in sorted(words)[:20])
        lines.append(f"transcripts: {len(words)} different ({most}{', ...' if len(words) > 20 else ''})")
    if (path / "utt2num_frames").exists():
        frames = list(read_numbers(path / "utt2num_frames", parse_int, check_sorted=True).values())
        if frames:
            lines.append(
                f"frames: {sum(frames)} in all, {min(frames)} to {max(frames)}, median {int(np.median(frames))}"
            )
    return lines


def describe_npz(path: Path) -> Info:
    """Describe a file of asrkit's own: Info."""
    kind = npz_kind(path)
    if kind not in DESCRIBE:
        raise DataError(f"{path}: an asrkit file of a kind this version does not know")
    return Info(path, kind, DESCRIBE[kind](path))


def describe_codebook(path: Path) -> list[str]:
    codebook, frontend = read_codebook(path)
    return [
        f"codebook {path}",
        f"vectors: {codebook.described()}, dimension {codebook.vectors.shape[1]}",
        *describe_frontend(frontend),
    ]


def describe_iterations(path: Path) -> list[str]:
    found = read_iterations(path)
    each = [f"  {word}: {len(own)} models" for word, own in found.items()]
    return [f"models of every iteration of a training {path}", f"words: {len(found)}", *each]


def describe_statistics(path: Path) -> list[str]:
    sums, _ = read_stats(path)
    with fitting(path):
        frames = sum(int(arrays["frames"]) for arrays in sums.values())
    return [f"statistics {path}", f"words: {len(sums)}", f"frames: {frames}"]


def describe_share(path: Path) -> list[str]:
    sums, totals, _ = read_block_stats(path)
    with fitting(path):
        frames = sum(int(arrays["frames"]) for blocks in sums.values() for arrays in blocks.values())
    own = sum(map(len, sums.values()))
    return [
        f"share of statistics {path}",
        f"words: {len(sums)}",
        f"blocks: {own} of {sum(totals.values())}",
        f"frames: {frames}",
    ]


def describe_speaker(path: Path) -> list[str]:
    memory = read_memory(path)
    return [
        f"speaker {path}",
        f"recordings heard: {memory.recordings}, {memory.stats[0, -1]:.0f} frames",
        f"features: dimension {memory.dim}, {memory.kind.describe()}",
    ]


def describe_model(path: Path) -> list[str]:
    vocabulary = read_model(path)
    lines = [f"model {path}", f"family: {vocabulary.family}", f"words: {len(vocabulary.words)}"]
    for word in vocabulary.words:
        model = vocabulary.models[word]
        parts = f"{model.num_states} states" + (f", {model.num_gauss} Gaussians" if model.num_gauss else "")
        lines.append(f"  {word}: {parts}")
    if vocabulary.codebook is not None:
        lines.append(f"codebook: {vocabulary.codebook.described()}")
    settings = {**vocabulary.config["family"], **vocabulary.config["train"]}
    lines.append("settings: " + " ".join(f"{name}={value}" for name, value in settings.items()))
    if vocabulary.ruled:
        facts = DataFacts(**vocabulary.config["rules"]["facts"])
        lines.append(f"chosen by the data ({facts}): {' '.join(vocabulary.ruled)}")
    if vocabulary.kept is not None and vocabulary.kept.taught:
        taught = ", ".join(f"{word} {len(own)}" for word, own in vocabulary.kept.taught.items())
        lines.append(f"taught, by recordings: {taught}")
    lines += describe_frontend(vocabulary.frontend)
    if vocabulary.data_hash:  # of words that were taught alone there is none
        lines.append(f"trained on data with hash {vocabulary.data_hash[:16]}")
    return lines


def describe_mixgop(path: Path) -> list[str]:
    phone_set = read_mixgop(path)
    gaussians = sum(model.mixture.num_gauss for model in phone_set.models.values())
    rated = "" if phone_set.min_rating is None else f" min_rating={phone_set.min_rating:g}"
    left_out = [
        f"{phone} {count}" for phone, count in phone_set.counts.items() if phone not in phone_set.models
    ]
    return [
        f"{KIND} {path}",
        f"phones: {len(phone_set.models)}, {gaussians} Gaussians",
        "tokens: " + ", ".join(f"{phone} {model.count}" for phone, model in phone_set.models.items()),
        *([f"baselines: {', '.join(phone_set.baselines)}"] if phone_set.baselines else []),
        *([f"phones without a model: {', '.join(left_out)}"] if left_out else []),
        "settings: " + " ".join(f"{name}={value}" for name, value in vars(phone_set.config).items()) + rated,
        *describe_frontend(phone_set.frontend),
        f"frame shift: {phone_set.frame_shift_s:g} s",
        f"trained on data with hash {phone_set.data_hash[:16]}",
    ]


DESCRIBE = {
    "model": describe_model,
    "codebook": describe_codebook,
    "statistics": describe_statistics,
    BLOCK_STATS: describe_share,
    "speaker": describe_speaker,
    KIND: describe_mixgop,
    ITERATIONS: describe_iterations,
}


def describe_frontend(frontend: FrontEnd) -> list[str]:
    after = frontend.transform
    variance = " with variance" if after.norm_vars else ""
    variance += f" (tau {after.cmn_tau:g})" if after.remembers else ""
    projected = frontend.projection
    left = f", {projected.method} to {projected.dim} dimensions" if projected else ""
    return [
        f"features: dimension {frontend.dim}, {frontend.kind.describe()}; cmvn {after.cmvn}{variance}, deltas of order "
        f"{after.delta_order}{left}"
    ]


def describe_archive(path: Path, pairs: Iterable[tuple[str, np.ndarray]]) -> list[str]:
    """Count the arrays of an archive; `pairs` are its keys and arrays."""
    shapes: dict[str, int] = {}
    kinds, count, rows = set(), 0, 0
    for _, array in pairs:
        count += 1
        kinds.add(str(array.dtype))
        rows += len(array)
        shape = "vectors" if array.ndim == 1 else f"matrices of dimension {array.shape[1]}"
        shapes[shape] = shapes.get(shape, 0) + 1
    held = ", ".join(f"{n} {shape}" for shape, n in shapes.items())
    return [f"archive {path}", f"entries: {count} ({held}; {', '.join(sorted(kinds))})", f"rows: {rows}"]


def describe_recording(path: Path) -> list[str]:
    try:
        rate_hz, samples, channels = audio_info(os.fspath(path))
    except DataError as error:
        raise DataError(
            f"{path}: neither an asrkit file, an archive, a data directory nor a recording: {error}"
        ) from None
    return [f"recording {path}", f"{samples / rate_hz:.3f} s at {rate_hz} Hz, {channels} channel(s)"]
