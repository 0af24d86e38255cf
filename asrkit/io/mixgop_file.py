"""The model file of MixGoP: one mixture a phone, in an `.npz` read without pickle."""

import numpy as np

from asrkit.characters import composed
from asrkit.errors import DataError
from asrkit.features.frontend import FrontEnd
from asrkit.io.model_file import below, fitting, read_npz, write_npz
from asrkit.io.places import as_path
from asrkit.models.base import check_array
from asrkit.models.low_rank import LowRankMixture
from asrkit.models.mixture import DiagMixture, FullMixture
from asrkit.models.tied import TiedMixture
from asrkit.phones.baselines import MODELS
from asrkit.phones.lda import Lda
from asrkit.phones.mixgop import MixgopConfig, PhoneModel
from asrkit.phones.phone_set import PhoneSet

KIND = "MixGoP model"
# Where arrays that are no phone's stand among the phones'; no phone holds white space.
BASELINE, LDA = "the baseline {}", "the lda"


def write_mixgop(path, phone_set):
    """Write a PhoneSet; equal ones are equal bytes."""
    arrays = {}
    for phone, model in phone_set.models.items():
        arrays.update({f"{phone}/{name}": array for name, array in model.mixture.to_arrays().items()})
        arrays[f"{phone}/scores"] = model.scores
    if phone_set.lda:
        arrays.update({f"{LDA}/{part}": array for part, array in vars(phone_set.lda).items()})
    for name, model in phone_set.baselines.items():
        arrays.update({f"{BASELINE.format(name)}/{part}": array for part, array in vars(model).items()})
    meta = {
        "phones": list(phone_set.models),
        "counts": phone_set.counts,
        "config": vars(phone_set.config),
        "min_rating": phone_set.min_rating,
        "frontend": phone_set.frontend.to_dict(),
        "frame_shift_s": phone_set.frame_shift_s,
        "data_hash": phone_set.data_hash,
        "baselines": list(phone_set.baselines),
        "lda": phone_set.lda is not None,
    }
    write_npz(path, KIND, meta, arrays)


def read_mixgop(path):
    """Read a MixGoP model, or the `final.npz` of a training folder.

    Returns
    -------
    PhoneSet

    Raises
    ------
    DataError
        The file is missing, is none of MixGoP's, or its content is damaged.
    """
    path = as_path(path)
    path = path / "final.npz" if path.is_dir() else path
    if not path.exists():
        raise DataError(f"{path}: no such file (asrkit mixgop train makes it)")
    meta, arrays = read_npz(path, KIND, owners)
    with fitting(path):
        config, frontend = MixgopConfig(**meta["config"]), FrontEnd.from_dict(meta["frontend"])
        counts = {composed(phone): int(count) for phone, count in meta["counts"].items()}
        width, lda = frontend.model_dim + config.added_dims, None
        if meta.get("lda"):  # a model of an asrkit without LDA does not say
            lda = Lda(**below(arrays, LDA))
            lda.check(width)
            width = lda.axes.shape[1]
        models = {}
        for phone in meta["phones"]:
            try:
                own = composed(phone)
                models[own] = _phone_model(below(arrays, phone), counts[own], width)
            except ValueError as error:
                raise ValueError(f"phone '{phone}': {error}") from None
        shift_s = float(meta["frame_shift_s"])
        if not models or not 0 < shift_s < np.inf:
            raise ValueError("no phones, or a frame shift that is none")
        baselines = {}
        for name in meta.get("baselines", ()):  # a model of an asrkit without baselines does not name any
            try:
                baselines[name] = MODELS[name](**below(arrays, BASELINE.format(name)))
                baselines[name].check(len(models), width)
            except ValueError as error:
                raise ValueError(f"baseline '{name}': {error}") from None
        return PhoneSet(
            models,
            counts,
            config,
            meta["min_rating"],
            frontend,
            shift_s,
            str(meta["data_hash"]),
            baselines,
            lda,
        )


def owners(meta):
    """Whose arrays a model has, the names before the slash."""
    return {LDA, *meta["phones"], *map(BASELINE.format, meta.get("baselines", ()))}


def _phone_model(arrays, count, width):
    scores = arrays.pop("scores")
    check_array("scores", scores, (len(scores),))
    if not len(scores) or (np.diff(scores) < 0).any() or count < len(scores):
        raise ValueError("scores are not sorted, or more than the phone's tokens")
    if "axes" in arrays or "covariance" in arrays:
        mixture = (LowRankMixture if "axes" in arrays else TiedMixture)(**arrays)
        mixture.check(width)
    else:
        mixture = (FullMixture if "covariances" in arrays else DiagMixture)(**arrays)
        mixture.check(1, width)
    return PhoneModel(mixture, scores, count)
