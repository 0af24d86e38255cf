"""Model, codebook and statistics files: `.npz` archives with a `meta` JSON string, read without pickle."""

import contextlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from asrkit import families
from asrkit.characters import composed
from asrkit.errors import DataError
from asrkit.features.frontend import FrontEnd
from asrkit.io.files import atomic_write, read_bytes
from asrkit.models.base import check_array
from asrkit.models.codebook import Codebook
from asrkit.words.training import TrainConfig
from asrkit.words.vocabulary import Vocabulary

VERSION = 3  # 2 had a front end without a kind of features, which `FrontEnd.from_dict` still reads
READABLE = (2, 3)
CODEBOOK = "the codebook"  # where its arrays stand among the words'; no word holds white space


def write_npz(path, kind, meta, arrays):
    """Write arrays and a meta dict, whole or not at all; equal content gives equal bytes."""
    meta = {"asrkit": kind, "version": VERSION, **meta}
    with atomic_write(path, "wb", sync=True) as stream:
        np.savez(stream, meta=np.array(json.dumps(meta, sort_keys=True)), **arrays)


def read_npz(path, kind):
    """Read what `write_npz` wrote: (meta, arrays). Every way it can fail is a DataError that says which."""
    data = read_bytes(path)
    if data[:2] != b"PK":
        raise DataError(f"{path}: not an asrkit {kind} file")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        meta = json.loads(str(arrays.pop("meta")))
        found, version = meta.pop("asrkit"), meta.pop("version")
    except (zipfile.BadZipFile, EOFError, OSError, zipfile.zlib.error, NotImplementedError, RuntimeError):
        raise DataError(f"{path}: cut off or damaged (copy it again, or train again)") from None
    except (KeyError, ValueError, AttributeError, TypeError):
        raise DataError(f"{path}: not an asrkit {kind} file") from None
    if found != kind:
        raise DataError(f"{path}: holds a {found}, not a {kind}")
    if version not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise DataError(f"{path}: format version {version}, this asrkit reads versions {known} (train again)")
    return meta, arrays


def write_model(path, vocabulary):
    arrays = {
        f"{word}/{name}": a
        for word in vocabulary.words
        for name, a in vocabulary.models[word].to_arrays().items()
    }
    if vocabulary.codebook is not None:
        arrays.update({f"{CODEBOOK}/{name}": a for name, a in vars(vocabulary.codebook).items()})
    meta = {
        "family": vocabulary.family,
        "words": list(vocabulary.words),
        "config": vocabulary.config,
        "frontend": vocabulary.frontend.to_dict(),
        "data_hash": vocabulary.data_hash,
    }
    write_npz(path, "model", meta, arrays)


def read_model(path):
    """Read a model file, or the `final.npz` of a training folder."""
    path = Path(path)
    if path.is_dir():
        if not (path / "final.npz").exists():
            raise DataError(f"{path}: no final.npz in this folder (asrkit train makes it)")
        path = path / "final.npz"
    if not path.exists():
        raise DataError(f"{path}: no such file or folder (asrkit train makes it)")
    meta, arrays = read_npz(path, "model")
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
        frontend = FrontEnd.from_dict(meta["frontend"])
        width, codebook = feature_dim(frontend), None
        if family.has_codes:
            codebook = checked_codebook(below(arrays, CODEBOOK), width)
            width = codebook.size
        # of an asrkit that let the letters of words be taken apart, too
        models = {composed(word): family.from_arrays(below(arrays, word)) for word in words}
        for word, model in models.items():
            try:
                model.check(width)
            except ValueError as error:
                raise ValueError(f"word '{word}': {error}") from None
        return Vocabulary(
            meta["family"], tuple(models), models, meta["config"], codebook, frontend, str(meta["data_hash"])
        )


@contextlib.contextmanager
def fitting(path):
    """Turn every way in which a file's content can fail to be what it says into one DataError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise DataError(f"{path}: its content does not fit this asrkit: {what} (make it anew)") from None


def feature_dim(frontend):
    """Dimension of the model features."""
    return frontend.dim * (frontend.transform.delta_order + 1)


def checked_codebook(arrays, dim):
    codebook = Codebook(**arrays)
    check_array("vectors", codebook.vectors, (len(codebook.vectors), dim))
    check_array("scale", codebook.scale, (dim,))
    if not len(codebook.vectors) or not (codebook.scale > 0).all():
        raise ValueError("no code vectors, or a scale that is not positive")
    return codebook


def below(arrays, prefix):
    """The arrays named `prefix/field`, by field; a word may itself contain a slash."""
    split = ((name.rpartition("/"), array) for name, array in arrays.items())
    return {field: array for (word, _, field), array in split if word == prefix}


def write_codebook(path, codebook, frontend, data_hash, asked=None):
    """Write a codebook; where it has fewer vectors than were `asked` for, that too."""
    meta = {"frontend": frontend.to_dict(), "data_hash": data_hash}
    if asked not in (None, codebook.size):
        meta["asked"] = asked
    write_npz(path, "codebook", meta, dict(vars(codebook)))


def read_codebook(path):
    """The codebook and the front end of the features it was trained on."""
    meta, arrays = read_npz(path, "codebook")
    with fitting(path):
        frontend = FrontEnd.from_dict(meta["frontend"])
        return checked_codebook(arrays, feature_dim(frontend)), frontend


def asked_of_codebook(path):
    """How many vectors a codebook was asked to have, where it has fewer; None where it has them."""
    return read_npz(path, "codebook")[0].get("asked")


def write_stats(path, stats, model_hash):
    """Write one accumulation pass: dict of word to Stats, and the hash of the model it was made with."""
    write_stat_arrays(path, {word: s.to_arrays() for word, s in stats.items()}, model_hash)


def write_stat_arrays(path, sums, model_hash):
    """The same from what `read_stats` gives: dict of word to dict of arrays."""
    arrays = {f"{word}/{name}": array for word, fields in sums.items() for name, array in fields.items()}
    write_npz(path, "statistics", {"words": list(sums), "model_hash": model_hash}, arrays)


def read_stats(path):
    """Dict of word to dict of arrays, and the hash of the model the sums belong to."""
    meta, arrays = read_npz(path, "statistics")
    with fitting(path):
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds NaN or infinite values")
        return {composed(word): below(arrays, word) for word in meta["words"]}, str(meta["model_hash"])
