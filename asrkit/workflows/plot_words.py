"""Pictures of what models are made of: a codebook's cells, Gaussians in a plane, the chain of a word's states."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from asrkit.characters import phrase
from asrkit.config import PathLike, nearest, parse_int
from asrkit.errors import DataError, SettingsError
from asrkit.families.base import counted
from asrkit.features.frontend import FrontEnd
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import ReadConfig, read_features
from asrkit.models.base import Block
from asrkit.models.codebook import Codebook
from asrkit.models.codebook import nearest as nearest_vector
from asrkit.plots.chain import plot_chain
from asrkit.plots.plane import plot_cells, plot_gaussians
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.plot import Draw, PlotConfig
from asrkit.workflows.word_info import find_word

log = logging.getLogger("asrkit")

MOST_FRAMES = 4000  # that are drawn
MOST_UTTS = 300  # that frames are taken of, evenly spread
MOST_NUMBERED = 16  # Gaussians
MOST_ROWS = 26  # dimensions below a chain of states


def dimensions(text: str, names: Sequence[str], count: int = 0) -> list[int]:
    """Read dimensions by their names or numbers from 0; a SettingsError unless they are `count` different ones, if that is not 0."""
    if not text:
        return list(range(count or len(names)))
    found = []
    for one in text.split(","):
        try:
            place = list(names).index(one) if one in names else parse_int(one)
        except ValueError:
            place = -1
        if not 0 <= place < len(names):
            known = f"0 to {len(names) - 1}, {', '.join(names[:3])}" + (", ..." if len(names) > 3 else "")
            raise SettingsError(f"dims={text}: no dimension '{one}'{nearest(one, names)} ({known} there are)")
        found.append(place)
    if count and (len(found) != count or len(set(found)) < count):
        raise SettingsError(f"dims={text}: not {count} different dimensions")
    return found


def frames_of(
    frontend: FrontEnd, config: PlotConfig, word: str | None = None
) -> list[tuple[str, np.ndarray]]:
    """Read model features of some utterances of a data directory, evenly spread: (utterance, (T, D)); of those that say `word`."""
    data = read_data_dir(config.data, require=() if word is None else ("text",))
    said = [utt for utt in data.utts if word is None or phrase(data.text.get(utt, "")) == word]
    if not said:
        raise DataError(f"{config.data}: no utterance says '{word}'")
    picked = [
        said[k] for k in np.unique(np.linspace(0, len(said) - 1, min(len(said), MOST_UTTS)).astype(int))
    ]
    if data.feats:
        features = read_features(data, frontend=frontend, allow_pipes=config.allow_pipes)
        items, lost = [], 0
        for utt in picked:
            try:
                items.append((utt, features.read(utt)))
            except (DataError, KeyError):  # no features, or none that can be used
                lost += 1
        if lost:
            log.warning(
                "%s: %d of %d utterances have no features that can be used", config.data, lost, len(picked)
            )
        if not items:
            raise DataError(f"{config.data}: no utterance that could be drawn has features that can be used")
        return items
    from asrkit.workflows.recorded import features_of_recordings  # late: it imports what reads recordings

    held = data
    if not data.segments:
        held = replace(data, wav={utt: data.wav[utt] for utt in picked if utt in data.wav})
    read = ReadConfig(allow_pipes=config.allow_pipes)
    found = features_of_recordings(held, frontend, read, frontend=frontend, warps=(1.0,))
    return [(str(utt), own) for utt, own in found if utt in picked]


def some_rows(count: int) -> np.ndarray:
    """Choose the frames that are drawn: int, ascending."""
    if count <= MOST_FRAMES:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_FRAMES, replace=False))


def codebook_picture(
    codebook: Codebook, frontend: FrontEnd, path: PathLike, config: PlotConfig
) -> tuple[Draw, str]:
    """Make what draws a stream's cells in two dimensions."""
    streams = codebook.num_streams
    if config.stream > streams:
        raise SettingsError(f"stream={config.stream}: {path} has {counted(streams, 'stream')}")
    sizes = [codebook.size] if codebook.sizes is None else codebook.sizes.tolist()
    vectors = np.split(codebook.vectors, np.cumsum(sizes)[:-1])[config.stream - 1]
    dim = vectors.shape[1]
    own = slice((config.stream - 1) * dim, config.stream * dim)
    names = frontend.dimension_names[own]
    if dim < 2:
        raise DataError(
            f"{path}: no codebook to plot: stream {config.stream} has one dimension, a picture has two"
        )
    dims = dimensions(config.dims, names, 2)
    points, true, apart = None, None, ""
    if config.data:
        x = np.concatenate([feats for _, feats in frames_of(frontend, config)])
        points = (x[some_rows(len(x))] / codebook.scale)[:, own]
        true = nearest_vector(points, vectors)
        if dim > 2:
            flat = nearest_vector(points[:, dims], vectors[:, dims])
            apart = f"; {100 * np.mean(flat == true):.0f} % of the frames are in the cell that is drawn"
        points = points[:, dims]
    stream = f"stream {config.stream} of {streams}, " if streams > 1 else ""
    held = f" of {dim}" if dim > 2 else ""
    said = f"codebook: {stream}{counted(len(vectors), 'code vector')}, 2{held} dimensions"
    titles = [f"{said}", *([f"cells of the two dimensions alone{apart}"] if dim > 2 else [])]
    axes = tuple(f"{names[d]} (in standard deviations)" for d in dims)

    def draw(stream: Any, form: str) -> None:
        title = "\n".join(titles)
        plot_cells(vectors[:, dims], stream, names=axes, points=points, owners=true, title=title, form=form)

    return draw, said + apart


def gaussians_picture(vocabulary: Vocabulary, path: PathLike, config: PlotConfig) -> tuple[Draw, str]:
    """Make what draws a word's Gaussians in two dimensions, and frames coloured by what they belong to."""
    word = find_word(vocabulary, config.word, path)
    model, names = vocabulary.models[word], vocabulary.frontend.dimension_names
    dims, inside = dimensions(config.dims, names, 2), model.inside
    states = inside.gaussians
    coloured = len(states) > 1 and not inside.shared
    pools = states[:1] if inside.shared else states
    weights = np.concatenate([own.weights for own in pools])
    if inside.shared:
        weights = np.mean([own.weights for own in states], axis=0)
    means = np.concatenate([own.means[:, dims] for own in pools])
    covariances = np.concatenate([own.covariances(tuple(dims)) for own in pools])
    groups = np.repeat(np.arange(len(pools)), [len(own.weights) for own in pools])
    points = owners = None
    if config.data:
        items = frames_of(vocabulary.frontend, config, word)
        block = Block.from_items([(utt, vocabulary.observe(feats)) for utt, feats in items])
        owners = model.align(block)[1] if coloured else likeliest(pools[0], weights, block.obs)
        some = some_rows(len(block.obs))
        points, owners = block.obs[some][:, dims], owners[some]
    what = (
        f"{counted(len(states), 'state')}, {len(weights)} Gaussians"
        if len(states) > 1
        else f"{len(weights)} Gaussians"
    )
    said = f"word {word} ({vocabulary.family}): {what} in {names[dims[0]]} and {names[dims[1]]}"
    colour = "numbered" if len(weights) <= MOST_NUMBERED else "the heaviest in colours"
    colour = "colours: states, numbered" if coloured else colour
    unit = (
        " (in standard deviations)"
        if vocabulary.frontend.transform.scales and max(dims) < vocabulary.frontend.dim
        else ""
    )
    labels = [str(k + 1) for k in range(len(pools) if coloured else len(weights))]

    def draw(stream: Any, form: str) -> None:
        plot_gaussians(
            weights,
            means,
            covariances,
            stream,
            names=(names[dims[0]] + unit, names[dims[1]] + unit),
            groups=groups if coloured else None,
            labels=labels,
            points=points,
            owners=owners,
            title=f"{said}\nellipses of one and (dotted) two standard deviations; {colour}",
            form=form,
        )

    return draw, said


def likeliest(own: Any, weights: np.ndarray, obs: np.ndarray) -> np.ndarray:
    """Find the Gaussian with the largest posterior of each frame, int (N,)."""
    scores = np.empty((len(obs), len(weights)))
    for m, weight in enumerate(weights):
        covariance = own.spread[m] if own.full else np.diag(own.spread[m])
        factor = np.linalg.cholesky(covariance)
        white = np.linalg.solve(factor, (obs - own.means[m]).T)
        scores[:, m] = (
            np.log(max(weight, 1e-300)) - np.log(np.diagonal(factor)).sum() - 0.5 * (white**2).sum(axis=0)
        )
    return scores.argmax(axis=1)


def chain_picture(vocabulary: Vocabulary, path: PathLike, config: PlotConfig) -> tuple[Draw, str]:
    """Make what draws a word's states, and below them their means or what they draw most often."""
    word = find_word(vocabulary, config.word, path)
    inside, frontend = vocabulary.models[word].inside, vocabulary.frontend
    chain, shift_s = inside.chain, frontend.kind.frame_shift_s
    assert chain is not None  # of what `kinds_of` lists
    durations = [
        f"{frames:.1f} frames" + ("" if shift_s is None else f"\n{1000 * frames * shift_s:.0f} ms")
        for frames in chain.durations
    ]
    means, names, draws = None, None, []
    if inside.gaussians:
        given = dimensions(config.dims, frontend.dimension_names)
        rows = given if config.dims else given[: min(frontend.dim, MOST_ROWS)]
        names = [frontend.dimension_names[d] for d in rows]
        means = state_means(inside.gaussians)[:, rows].T
        if inside.shared:
            draws.append(
                (
                    "Gaussians (number, weight)",
                    likeliest_of([own.weights for own in inside.gaussians], config.most, 1),
                )
            )
    elif config.dims:
        raise SettingsError(f"dims={config.dims}: a {vocabulary.family} has symbols, not means")
    if inside.symbols is not None:
        for k, tables in enumerate(inside.symbols.swapaxes(0, 1)):
            stream = f" of stream {k + 1}" if inside.symbols.shape[1] > 1 else ""
            draws.append(
                (f"likeliest symbols{stream} (number, probability)", likeliest_of(tables, config.most, 0))
            )
    lasts = f"{chain.word_frames:.1f} frames" + (
        "" if shift_s is None else f", {chain.word_frames * shift_s:.2f} s"
    )
    said = f"word {word} ({vocabulary.family}): {counted(len(chain.start), 'state')}, {lasts} on average"

    def draw(stream: Any, form: str) -> None:
        plot_chain(
            chain.start,
            chain.transitions,
            chain.exit,
            stream,
            durations=durations,
            means=means,
            names=names,
            draws=draws,
            title=said,
            form=form,
        )

    return draw, said


def state_means(gaussians: Sequence[Any]) -> np.ndarray:
    """Compute each state's mean, (S, D), about that of all states and in standard deviations over all of them, states alike."""
    means = np.array([own.weights @ own.means for own in gaussians])
    second = np.array([own.weights @ (own.deviations**2 + own.means**2) for own in gaussians])
    mean = means.mean(axis=0)
    return (means - mean) / np.sqrt(np.maximum(second.mean(axis=0) - mean**2, 1e-300))


def likeliest_of(states: Sequence[np.ndarray], most: int, first: int) -> np.ndarray:
    """Pick of each state's distribution (M,) the likeliest: (S, R, 2), numbers from `first` and probabilities."""
    table = []
    for p in states:
        order = np.argsort(-p, kind="stable")[:most]
        table.append(np.column_stack([order + first, p[order]]))
    return np.array(table)
