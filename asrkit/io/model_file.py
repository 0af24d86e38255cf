"""Model, codebook and statistics files: `.npz` archives with a `meta` JSON string, read without pickle."""

import contextlib
import json

import numpy as np

from asrkit import families
from asrkit.characters import composed
from asrkit.errors import DataError
from asrkit.families.base import DataFacts
from asrkit.features.frontend import FrontEnd
from asrkit.features.warp import WarpConfig
from asrkit.io.files import atomic_write, open_bytes
from asrkit.io.json_file import loads
from asrkit.io.npy import Arrays
from asrkit.io.places import as_path
from asrkit.io.reading import reading
from asrkit.models.base import check_array
from asrkit.words.confidence import Confidence
from asrkit.words.training import TrainConfig
from asrkit.words.vocabulary import Vocabulary

# 2 had a front end without a kind of features, which `FrontEnd.from_dict` still reads; 4 has a projection, which an asrkit
# that reads 3 would pass over. What has none is written as 3.
VERSION, PROJECTED = 3, 4
READABLE = (2, VERSION, PROJECTED)
META = "meta"  # the array that says what the others are
CODEBOOK = "the codebook"  # where its arrays stand among the words'; a phrase's stand under its words with two blanks between
KEPT = "what was kept"  # likewise
BLOCK_STATS = "share of statistics"


def write_npz(path, kind, meta, arrays, version=None):
    """Write arrays and a meta dict, whole or not at all; equal content gives equal bytes."""
    meta = {"asrkit": kind, "version": VERSION if version is None else version, **meta}
    with atomic_write(path, "wb", sync=True) as stream:
        np.savez(stream, meta=np.array(json.dumps(meta, sort_keys=True)), **arrays)


def read_npz(path, kind, wanted=None):
    """Read what `write_npz` wrote.

    Parameters
    ----------
    path : path
    kind : str
    wanted : callable, optional
        Given the meta dict it tells whose arrays are read, the names before the slash; without it all are.

    Returns
    -------
    meta : dict
    arrays : dict of str to numpy.ndarray

    Raises
    ------
    DataError
        Naming the file, for every way in which it can be none.
    """
    with _opened(path, f"an asrkit {kind} file") as (archive, found, meta):
        if found != kind:
            raise DataError(f"{path}: holds a {found}, not a {kind}")
        _check_version(path, meta)
        with fitting(path):
            owners = None if wanted is None else wanted(meta)
        names = [name for name in archive if owners is None or name.rpartition("/")[0] in owners]
        return meta, {name: archive.read(name) for name in names if name != META}


def npz_kind(path):
    """Find what a file of `write_npz` holds: "model", "codebook" and so on."""
    with _opened(path, "an asrkit file") as (_, found, _):
        return found


@contextlib.contextmanager
def _opened(path, what):
    """The archive of a file that should be `what`, what its meta says that it is, and the rest of the meta."""
    with open_bytes(path) as stream:
        if stream.read(2) != b"PK":
            raise DataError(f"{path}: not {what}")
        with reading(path, "cut off or damaged", "copy it again, or make it anew"), Arrays(stream) as archive:
            with reading(path, f"not {what}"):
                meta = loads(str(archive.read(META, "U")))
                found = str(meta.pop("asrkit"))
            yield archive, found, meta


def _check_version(path, meta):
    version = meta.pop("version", None)
    if version not in READABLE:
        known = f"{', '.join(map(str, READABLE[:-1]))} and {READABLE[-1]}"
        raise DataError(f"{path}: format version {version}, this asrkit reads versions {known} (train again)")


def write_model(path, vocabulary):
    arrays = {
        f"{_place(word)}/{name}": a
        for word in vocabulary.words
        for name, a in vocabulary.models[word].to_arrays().items()
    }
    if vocabulary.codebook is not None:
        arrays.update({f"{CODEBOOK}/{name}": a for name, a in vocabulary.codebook.to_arrays().items()})
    meta = {
        "family": vocabulary.family,
        "words": list(vocabulary.words),
        "config": vocabulary.config,
        "frontend": vocabulary.frontend.to_dict(),
        "data_hash": vocabulary.data_hash,
    }
    if vocabulary.confidence is not None:
        meta["confidence"] = vocabulary.confidence.to_dict()
    if vocabulary.kept is not None:
        meta["kept"], kept = vocabulary.kept.to_arrays()
        arrays.update({f"{KEPT}/{name}": a for name, a in kept.items()})
    write_npz(path, "model", meta, arrays, _version(vocabulary.frontend))


def read_model(path):
    """Read a model file, or the `final.npz` of a training folder."""
    path = as_path(path)
    if path.is_dir():
        if not (path / "final.npz").exists():
            raise DataError(f"{path}: no final.npz in this folder (asrkit train makes it)")
        path = path / "final.npz"
    if not path.exists():
        raise DataError(f"{path}: no such file or folder (asrkit train makes it)")
    meta, arrays = read_npz(path, "model", lambda meta: {CODEBOOK, KEPT, *map(_place, meta["words"])})
    with fitting(path):
        if meta["family"] not in families.names():
            raise ValueError(f"no family '{meta['family']}'")
        family = families.load(meta["family"])
        words = tuple(meta["words"])
        if not words or not all(isinstance(word, str) for word in words):
            raise ValueError("its words are no vocabulary")
        if len(set(map(composed, words))) != len(words):
            raise ValueError("its words are no vocabulary: one is there twice")
        family.Config(**meta["config"]["family"])  # refuses settings that are none
        TrainConfig(**meta["config"]["train"])
        WarpConfig(meta["config"].get("warps", ""))
        rules = meta["config"].get(
            "rules", {"facts": {"words": 0, "recordings": 0, "fewest": 0}, "settings": []}
        )
        DataFacts(**rules["facts"])
        if not all(isinstance(name, str) for name in rules["settings"]):
            raise ValueError("what the data chose are no settings")
        frontend = FrontEnd.from_dict(meta["frontend"])
        width, codebook = frontend.model_dim, None
        if family.has_codes:
            codebook = checked_codebook(below(arrays, CODEBOOK), width)
            width = codebook.width
        # of an asrkit that let the letters of words be taken apart, too
        models = {composed(word): family.from_arrays(below(arrays, _place(word))) for word in words}
        for word, model in models.items():
            try:
                model.check(width)
            except ValueError as error:
                raise ValueError(f"word '{word}': {error}") from None
        return Vocabulary(
            meta["family"],
            tuple(models),
            models,
            meta["config"],
            codebook,
            frontend,
            str(meta["data_hash"]),
            _confidence(meta.get("confidence"), models),
            _kept(meta.get("kept"), arrays, frontend, width, family, models),
        )


def _place(word):
    """Where a word's arrays stand; that of a phrase is no name that another word, or the codebook, could have."""
    return word.replace(" ", "  ")


def _kept(values, arrays, frontend, width, family, models):
    """What a model file keeps beside its models; None where it keeps nothing."""
    if values is None:
        return None
    from asrkit.words.kept import Kept  # late, as below: few models have one

    kept = Kept.from_arrays(values, below(arrays, KEPT), frontend.dim, width, family.from_arrays)
    strangers = {*kept.taught, *kept.trained} - set(models)
    if strangers or set(kept.trained) - set(kept.taught) or (kept.taught and kept.pool is None):
        raise ValueError("what it kept is not of its words")
    return kept


def _confidence(values, models):
    """What a model file says of how sure its vocabulary may be; None where it says nothing."""
    if values is None:
        return None
    confidence = Confidence.from_dict(
        {**values, "states": {composed(w): v for w, v in values["states"].items()}}
    )
    if {word: len(own) for word, own in confidence.states.items()} != {
        w: m.num_states for w, m in models.items()
    }:
        raise ValueError("its confidence is of other words or states")
    return confidence


def fitting(path):
    """Turn every way in which a file's content can fail to be what it says into one DataError."""
    return reading(path, "its content does not fit this asrkit", "make it anew")


def checked_codebook(arrays, dim):
    from asrkit.models.codebook import Codebook

    codebook = Codebook(**arrays)
    if codebook.sizes is not None:
        check_sizes(codebook.sizes, len(codebook.vectors), dim)
    check_array("vectors", codebook.vectors, (len(codebook.vectors), dim // codebook.num_streams))
    check_array("scale", codebook.scale, (dim,))
    if not len(codebook.vectors) or not (codebook.scale > 0).all():
        raise ValueError("no code vectors, or a scale that is not positive")
    return codebook


def check_sizes(sizes, num_vectors, dim):
    """Raise ValueError unless `sizes` cuts so many code vectors into streams that are equal parts of `dim` dimensions."""
    if sizes.dtype != np.int64 or sizes.ndim != 1 or not len(sizes) or dim % len(sizes):
        raise ValueError(f"sizes is {sizes.dtype} {sizes.shape}, no equal parts of {dim} dimensions")
    # of hostile numbers none may be so large that their sum wraps round
    if not ((sizes > 0) & (sizes <= num_vectors)).all() or sizes.sum() != num_vectors:
        raise ValueError(f"sizes does not add up to the {num_vectors} code vectors")


def below(arrays, prefix):
    """The arrays named `prefix/field`, by field; a word may itself contain a slash."""
    split = ((name.rpartition("/"), array) for name, array in arrays.items())
    return {field: array for (word, _, field), array in split if word == prefix}


def write_codebook(path, codebook, frontend, data_hash, asked=None):
    """Write a codebook; where it has fewer vectors than were `asked` for, that too."""
    meta = {"frontend": frontend.to_dict(), "data_hash": data_hash}
    if asked not in (None, codebook.size):
        meta["asked"] = asked
    write_npz(path, "codebook", meta, codebook.to_arrays(), _version(frontend))


def _version(frontend):
    return None if frontend.projection is None else PROJECTED


def read_codebook(path):
    """The codebook and the front end of the features it was trained on."""
    meta, arrays = read_npz(path, "codebook")
    with fitting(path):
        frontend = FrontEnd.from_dict(meta["frontend"])
        return checked_codebook(arrays, frontend.model_dim), frontend


def asked_of_codebook(path):
    """How many vectors a codebook was asked to have, where it has fewer; None where it has them."""
    return read_npz(path, "codebook")[0].get("asked")


def write_stats(path, stats, model_hash):
    """Write one accumulation pass: dict of word to Stats, and the hash of the model it was made with."""
    write_stat_arrays(path, {word: s.to_arrays() for word, s in stats.items()}, model_hash)


def write_stat_arrays(path, sums, model_hash):
    """The same from what `read_stats` gives: dict of word to dict of arrays."""
    arrays = {
        f"{_place(word)}/{name}": array for word, fields in sums.items() for name, array in fields.items()
    }
    write_npz(path, "statistics", {"words": list(sums), "model_hash": model_hash}, arrays)


def read_stats(path):
    """Dict of word to dict of arrays, and the hash of the model the sums belong to."""
    if npz_kind(path) == BLOCK_STATS:
        raise DataError(f"{path}: statistics of a share of the data (asrkit sum-accs adds all shares)")
    meta, arrays = read_npz(path, "statistics", lambda meta: set(map(_place, meta["words"])))
    with fitting(path):
        _check_finite(arrays)
        return {composed(word): below(arrays, _place(word)) for word in meta["words"]}, str(
            meta["model_hash"]
        )


def write_block_stats(path, sums, totals, model_hash):
    """Write the sums of single blocks.

    Parameters
    ----------
    sums : dict of str to dict of int to (Stats, or dict of arrays)
        Of each word, by the number of the block.
    totals : dict of str to int
        How many blocks each word has in all.
    """
    fields = {
        (word, block): own if isinstance(own, dict) else own.to_arrays()
        for word, blocks in sums.items()
        for block, own in blocks.items()
    }
    arrays = {
        f"{_place(word)}/{block}/{name}": array
        for (word, block), own in fields.items()
        for name, array in own.items()
    }
    meta = {
        "blocks": [[word, totals[word], sorted(own)] for word, own in sums.items()],
        "model_hash": model_hash,
    }
    write_npz(path, BLOCK_STATS, meta, arrays)


def read_block_stats(path):
    """What `write_block_stats` wrote: sums (as dicts of arrays), totals, and the hash of the model."""
    meta, arrays = read_npz(path, BLOCK_STATS)
    with fitting(path):
        _check_finite(arrays)
        sums, totals = {}, {}
        for word, total, blocks in meta["blocks"]:
            totals[composed(word)] = int(total)
            sums[composed(word)] = {
                int(block): below(arrays, f"{_place(word)}/{int(block)}") for block in blocks
            }
        return sums, totals, str(meta["model_hash"])


def _check_finite(arrays):
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinite values")
