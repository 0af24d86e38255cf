"""The models of every iteration of a training: iterations.npz, beside the model that it came to."""

from asrkit import families
from asrkit.characters import composed
from asrkit.errors import DataError
from asrkit.io.model_file import fitting, read_npz, write_npz
from asrkit.io.places import as_path

NAME = "iterations.npz"
KIND = "record of iterations"
# What is read of an entry
FACTS = {"objective": float, "per_frame": float, "phase": int, "method": str, "frames": int}


def write_iterations(path, vocabulary, entries, histories):
    """Write the models, and of each what the log says of how it explains the data.

    Parameters
    ----------
    vocabulary : Vocabulary
        What the training came to.
    entries : dict of str to list of dict
        Each word's log.
    histories : dict of str to list of WordModel
        One an entry.
    """
    arrays = {
        f"{index}/{iteration}/{name}": array
        for index, word in enumerate(entries)
        for iteration, model in enumerate(histories[word])
        for name, array in model.to_arrays().items()
    }
    width = vocabulary.frontend.model_dim if vocabulary.codebook is None else vocabulary.codebook.width
    meta = {"family": vocabulary.family, "width": width, "entries": list(map(list, entries.items()))}
    write_npz(path, KIND, meta, arrays)


def read_iterations(path):
    """Read them, of a file or of the folder that it is in: dict of word to list of (WordModel, entry).

    Raises
    ------
    DataError
        There is none, or it is none.
    """
    path = as_path(path)
    path = path / NAME if path.is_dir() else path
    if not path.exists():
        raise DataError(f"{path}: no such file (asrkit train --keep-iterations true makes it)")
    meta, arrays = read_npz(path, KIND)
    with fitting(path):
        if meta["family"] not in families.names():
            raise ValueError(f"no family '{meta['family']}'")
        make, models = families.load(meta["family"]).from_arrays, {}
        for name, array in arrays.items():
            index, iteration, field = name.split("/")
            models.setdefault((int(index), int(iteration)), {})[field] = array
        width = meta["width"] if isinstance(meta["width"], int) else tuple(map(int, meta["width"]))
        found = {
            composed(word): [(make(models[index, n]), dict(entry)) for n, entry in enumerate(own)]
            for index, (word, own) in enumerate(meta["entries"])
        }
        for model, entry in (pair for own in found.values() for pair in own):
            model.check(width)
            for name, kind in FACTS.items():
                if type(entry[name]) is not kind:
                    raise ValueError(f"{name} is no {kind.__name__}")
        return found
