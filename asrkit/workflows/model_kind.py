"""The kind of features that a model was trained on: what makes further data like it."""

from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kind import FeatureKind
from asrkit.io.mixgop_file import KIND, read_mixgop
from asrkit.io.model_file import npz_kind, read_codebook, read_model
from asrkit.io.places import as_path


def model_kind(exp: PathLike, name: str) -> FeatureKind:
    """Read of a model how its features were made.

    Parameters
    ----------
    exp : path
        A folder of `train` or `mixgop train`, or a file: a model, of words or phones, or a codebook.
    name : str
        The kind of features that is wanted: "mfcc".

    Returns
    -------
    FeatureKind
        Its settings, as frontend.conf would hold them.

    Raises
    ------
    DataError
        The model can't be read, or its features are of another kind, or nobody said of which.
    """
    kind = model_front_end(exp).kind
    if kind.name != name:
        command = (
            f"asrkit {kind.command} makes them" if kind.command else "features like them can't be computed"
        )
        raise DataError(
            f"{exp}: the model's features are of the kind '{kind.name}' ({kind.describe()}), not {name} ({command})"
        )
    return kind


def refuse_others(kind: FeatureKind, exp: PathLike, model: FeatureKind) -> None:
    """Raise a SettingsError where a kind of features is not that of a model."""
    if differences := model.differences(kind):
        raise SettingsError(
            f"like={exp}: {', '.join(differences)} (leave such options out: the model says them all)"
        )


def model_front_end(exp: PathLike) -> FrontEnd:
    """Read a model's front end, whatever the model is of."""
    path = as_path(exp)
    file = path / "final.npz" if path.is_dir() else path
    found = npz_kind(file) if file.exists() else ""
    if found == KIND:
        return read_mixgop(file).frontend
    return read_codebook(file)[1] if found == "codebook" else read_model(path).frontend
