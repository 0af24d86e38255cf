"""Draw what a trained model is made of, and what it does with a recording: one picture for a slide."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, Any

from asrkit import families
from asrkit.config import PathLike, option
from asrkit.errors import DataError, SettingsError
from asrkit.io.files import atomic_write
from asrkit.io.model_file import npz_kind, read_codebook, read_model
from asrkit.io.places import as_path
from asrkit.runtime import one_thread
from asrkit.words.vocabulary import Vocabulary

FORMS = (".png", ".pdf", ".svg")
# What is drawn, and the options that go with it.
KINDS = {
    "codebook": ("stream", "dims", "data"),
    "gmm": ("word", "dims", "data"),
    "hmm": ("word", "dims", "most"),
    "alignment": ("word", "data", "utt", "endpoint", "channel"),
    "features": ("like", "endpoint", "channel"),
    "trellis": ("word", "data", "utt", "endpoint", "channel"),
}

Draw = Callable[[IO[bytes], str], Any]  # writes one picture in one of the forms


@dataclass(frozen=True)
class PlotConfig:
    """What is drawn of a model or a recording."""

    word: str = option("", "the word (alignment and trellis: what the recording says, or what is heard)")
    dims: str = option(
        "",
        "dimensions, by names or numbers from 0, with commas between: c1,c2 (of a codebook, within its stream)",
    )
    stream: int = option(1, "of a codebook with several", minimum=1)
    most: int = option(5, "hmm: symbols of a state that are written", minimum=1, maximum=20)
    data: str = option("", "data directory: its frames lie beneath; with --utt its utterance is drawn")
    utt: str = option("", "utterance of --data, in place of WAV")
    like: str = option("", "features as this model's are made (default: MFCC)")
    channel: int = option(0, "channel of a recording that has several", minimum=0)
    allow_pipes: bool = option(False, "run shell pipes found in scp files")


@dataclass(frozen=True)
class Plotted:
    """A picture that was drawn.

    Attributes
    ----------
    out : Path
    said : str
        What it shows.
    """

    out: Path
    said: str

    def lines(self) -> list[str]:
        """What the picture shows, and where it is."""
        return [self.said, f"picture in {self.out}"]


@one_thread()
def plot(
    kind: str,
    model: PathLike,
    recording: PathLike | None = None,
    *,
    out: PathLike,
    config: PlotConfig | None = None,
    endpoint: bool | None = None,
) -> Plotted:
    """Draw one picture of a trained model, or of what becomes of a recording.

    Parameters
    ----------
    kind : {"codebook", "gmm", "hmm", "alignment", "features", "trellis"}
    model : path
        Folder of a training, or a model file; of "features" the recording.
    recording : path, optional
        Of "alignment" and "trellis", where `config` names no utterance.
    out : path
        A file `*.png`, `*.pdf` or `*.svg`.
    config : PlotConfig, optional
    endpoint : bool, optional
        Find the speech first. By default as the training did, and in recordings that are not trimmed.

    Returns
    -------
    Plotted

    Raises
    ------
    DataError
        The model has nothing of that kind: the message lists what it has. Or a file can't be read.
    SettingsError
        An option does not go with the kind, or `out` is no such file.
    """
    from asrkit.workflows import plot_sounds, plot_words  # late: they import what draws

    config, target = config or PlotConfig(), as_path(out)
    check(kind, model, recording, target, config, endpoint)
    if kind == "features":
        draw, said = plot_sounds.features_picture(model, config, endpoint)
    elif kind == "codebook":
        codebook, frontend = codebook_of(model)
        draw, said = plot_words.codebook_picture(codebook, frontend, model, config)
    else:
        vocabulary = read_model(model)
        if kind not in (able := kinds_of(vocabulary)):
            raise nothing_of(kind, model, vocabulary.family, able)
        if kind in ("gmm", "hmm"):
            pictures = {"gmm": plot_words.gaussians_picture, "hmm": plot_words.chain_picture}
            draw, said = pictures[kind](vocabulary, model, config)
        else:
            seen = plot_sounds.seen(vocabulary, model, recording, config, endpoint)
            steps = {"alignment": plot_sounds.alignment_picture, "trellis": plot_sounds.trellis_picture}
            draw, said = steps[kind](vocabulary, seen)
    with atomic_write(target, "wb") as stream:
        draw(stream, target.suffix.lower().removeprefix("."))
    return Plotted(target, said)


def kinds_of(vocabulary: Vocabulary) -> list[str]:
    """List what there is to plot of a model."""
    model = next(iter(vocabulary.models.values()))
    family, inside = families.load(vocabulary.family), model.inside
    several = max(own.num_states for own in vocabulary.models.values()) > 1
    has = {
        "codebook": vocabulary.codebook is not None,
        "gmm": bool(inside.gaussians) and vocabulary.frontend.model_dim > 1,
        "hmm": inside.chain is not None,
        "alignment": family.can_align and several,
        "features": vocabulary.frontend.kind.hears,
        "trellis": inside.chain is not None,
    }
    return [kind for kind in KINDS if has[kind]]


def nothing_of(kind: str, path: PathLike, family: str, able: list[str]) -> DataError:
    there = f"of a {family} there is {', '.join(able)}" if able else f"of a {family} there is nothing to plot"
    return DataError(f"{path}: no {kind} to plot: {there}")


def codebook_of(path: PathLike) -> tuple[Any, Any]:
    """Read a codebook and its front end: of its file, of a model that has one, or of a folder with either."""
    path = as_path(path)
    for file in (path / "final.npz", path / "codebook.npz") if path.is_dir() else (path,):
        if not file.exists():
            continue
        if npz_kind(file) == "codebook":
            return read_codebook(file)
        vocabulary = read_model(file)
        if vocabulary.codebook is None:
            raise nothing_of("codebook", path, vocabulary.family, kinds_of(vocabulary))
        return vocabulary.codebook, vocabulary.frontend
    raise DataError(f"{path}: neither final.npz nor codebook.npz is there (asrkit train makes them)")


def check(
    kind: str,
    model: PathLike,
    recording: PathLike | None,
    target: Path,
    config: PlotConfig,
    endpoint: bool | None,
) -> None:
    """Refuse, by a SettingsError, what does not go together."""
    if kind not in KINDS:
        raise SettingsError(f"kind={kind} is none of {', '.join(KINDS)}")
    if target.suffix.lower() not in FORMS:
        raise SettingsError(f"out={target}: none of *.png, *.pdf and *.svg (give one of these)")
    takes = (*KINDS[kind], "allow_pipes")
    for field in fields(config):
        value = getattr(config, field.name)
        if value != field.default and field.name not in takes:
            raise SettingsError(
                f"{field.name}={value} is no option of plot {kind} ({', '.join(KINDS[kind])} are)"
            )
    if endpoint is not None and "endpoint" not in takes:
        raise SettingsError(f"endpoint={str(endpoint).lower()} is no option of plot {kind}")
    if kind in ("alignment", "trellis"):
        if bool(recording) == bool(config.utt) or bool(config.utt) != bool(config.data):
            raise SettingsError(f"plot {kind} needs a recording, WAV, or data=DIR with utt=U")
        if not recording and (endpoint is not None or config.channel):
            raise SettingsError(
                "endpoint= and channel= are for a WAV; an utterance of data= is taken as it is"
            )
    elif recording:
        raise SettingsError(f"plot {kind} takes one file, not '{model}' and '{recording}'")
    if kind in ("gmm", "hmm") and not config.word:
        raise SettingsError(f"plot {kind} needs word=W")
