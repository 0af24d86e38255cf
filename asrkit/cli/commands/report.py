"""One table and the pictures of several decodings -> OUT/table.txt, OUT/report.md and PNG files.

Each DECODE is a folder that `asrkit decode` and `asrkit score` have written, inside the folder of its model,
or one of
`asrkit crossval`. The pictures: the confusion matrix and the training curves of every system, and one word's
Viterbi alignment over its spectrogram (of the first system that has states).

Where `asrkit perturb` made DIR and put noise at stated ratios, a second table and OUT/noise.png show the
errors by kind of noise and signal-to-noise ratio, best with a test set of --grid true --keep-original true.
"""

import functools
import json
import math
from pathlib import Path

import numpy as np

from asrkit.cli.commands.perturb import RECORD
from asrkit.config import add_flag
from asrkit.errors import DataError
from asrkit.evaluation.scoring import Counts, compute_errors
from asrkit.io.audio import read_audio
from asrkit.io.features import read_features
from asrkit.io.files import atomic_write, read_lines, read_table
from asrkit.io.model_file import read_model
from asrkit.models.base import Block

EXAMPLE = "example: asrkit report exp/report data/test exp/gmm/decode_test exp/chmm/decode_test"


def add_arguments(parser):
    parser.add_argument("out", metavar="OUT", help="folder for the report")
    parser.add_argument("dir", metavar="DIR", help="the data directory that was decoded")
    parser.add_argument("decodes", metavar="DECODE", nargs="+", help="scored decode folders")
    add_flag(parser, "title", "", "a line above the table: the corpus and its split")
    add_flag(parser, "utt", "", "the utterance of the alignment picture (default: the first that is right)")


def main(args):
    from asrkit.plots import words as plots

    out = Path(args.out)
    systems = [read_system(Path(decode)) for decode in args.decodes]
    lines = table(systems, args.title)
    curves = noise_curves(systems, Path(args.dir))
    pictures = []
    if curves:
        lines += ["", *noise_table(curves)]
        pictures.append(
            ("noise.png", "word error rate against the signal-to-noise ratio, with 95 % intervals")
        )
        title = ": ".join(filter(None, (args.title, "errors in noise")))
        draw(functools.partial(plots.plot_noise, curves, title=title), out / pictures[-1][0])
    for system in systems:
        pictures.append(
            (
                f"confusion_{system['name']}.png",
                f"{system['name']}: what was said (rows) and what was heard (columns)",
            )
        )
        copy(system["decode"] / "confusion.png", out / pictures[-1][0])
        pictures.append(
            (
                f"training_{system['name']}.png",
                f"{system['name']}: the objective of every word's training, iteration by iteration",
            )
        )
        curves = read_curves(system["exp"] / "train.jsonl")
        draw(
            functools.partial(plots.plot_training_curves, curves, title=f"{system['name']}: training"),
            out / pictures[-1][0],
        )
    caption = draw_alignment(systems, args, out / "alignment.png")
    if caption:
        pictures.append(("alignment.png", caption))
    with atomic_write(out / "table.txt") as stream:
        stream.write("\n".join(lines) + "\n")
    with atomic_write(out / "report.md") as stream:
        stream.write("# Error rates\n\n```\n" + "\n".join(lines) + "\n```\n")
        for name, text in pictures:
            stream.write(f"\n![{text}]({name})\n\n{text}\n")
    print("\n".join(lines))
    return 0


def read_system(decode):
    """What the table says of one decode folder; of a cross-validation the pictures show the first fold's
    models.
    """
    folds, name = [decode], decode.parent.name
    if (decode / "crossval.json").exists():
        facts = read_json(decode / "crossval.json", "asrkit crossval")
        folds, name = (
            [decode / f"fold_{fold['name']}" / "decode_test" for fold in facts["folds"]],
            decode.resolve().name,
        )
    seconds = 0
    for exp in (fold.parent for fold in folds):
        seconds += read_json(exp / "train.json", "asrkit train")["seconds"]
        if (exp / "codebook.json").exists():  # a codebook of its own is part of the training
            seconds += read_json(exp / "codebook.json", "asrkit train-codebook")["seconds"]
    return {
        "name": name,
        "decode": decode,
        "exp": folds[0].parent,
        "heard": folds[0],
        "report": read_json(decode / "report.json", "asrkit score"),
        "decoded": read_json(decode / "decode.json", "asrkit decode"),
        "train_s": seconds,
    }


def read_json(path, maker):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file ({maker} makes it)") from None
    except ValueError as error:
        raise DataError(f"{path}: no JSON: {error} ({maker} makes it anew)") from None


def table(systems, title):
    """The lines of the table: families x errors, rate, interval, seconds."""
    width = max(6, *(len(system["name"]) for system in systems))
    lines = [title] if title else []
    lines.append(f"{'system':<{width}}  errors   words    WER %  95 % interval   train s  decode s")
    for system in systems:
        report = system["report"]
        low, high = report["interval"]
        lines.append(
            f"{system['name']:<{width}}  {report['errors']:6d}  {report['total']:6d}  {100 * (report['wer'] or 0):7.2f}"
            f"  [{100 * low:5.2f}, {100 * high:5.2f}]  {system['train_s']:8.1f}  {system['decoded']['seconds']:8.1f}"
        )
    return lines


def noise_curves(systems, folder):
    """[(system, noise, {SNR in dB: Counts})]; of a directory that names no SNR nothing."""
    if not (folder / RECORD).exists():
        return []
    refs = read_table(folder / "text")
    conditions = read_conditions(folder / RECORD, refs)
    if not conditions:
        return []
    curves = []
    for system in systems:
        report, hyp = system["report"], system["decode"] / "hyp"
        mode = "present" if report["mode"] == "present" else "all"
        found = compute_errors(refs, read_table(hyp), {}, mode, skipped=report["skipped"])
        if (found.total.errors, found.total.words) != (report["errors"], report["total"]):
            raise DataError(
                f"{hyp}: {found.total.errors} errors in {found.total.words} words of {folder}/text, but report.json beside it has "
                f"{report['errors']} in {report['total']} (asrkit score {folder} {system['decode']} counts anew)"
            )
        kinds = count_by_noise({utt: scored.counts for utt, scored in found.utts.items()}, conditions)
        curves += [(system["name"], noise, cells) for noise, cells in kinds.items()]
    return curves


def read_conditions(path, utts):
    """utterance -> (noise, SNR in dB, None without noise), as `asrkit perturb` has written it; {} where it
    names no SNR.
    """
    (_, head), *lines = list(read_lines(path)) or [(1, "")]
    conditions = {}
    for number, line in lines:
        try:
            row = dict(zip(head.split("\t"), line.split("\t"), strict=True))
            snr = None if row["noise"] == "none" else float(row["snr"])
            if snr is not None and not math.isfinite(snr):
                raise ValueError
            conditions[row["utt"]] = (row["noise"], snr)
        except (KeyError, ValueError):
            raise DataError(
                f"{path}:{number}: '{line}' does not tell utt, noise and snr (asrkit perturb makes it anew)"
            ) from None
    if all(snr is None for _, snr in conditions.values()):
        return {}
    lacking = [utt for utt in utts if utt not in conditions]
    if lacking:
        raise DataError(
            f"{path}: utterance '{lacking[0]}' of {path.parent}/text is not in it, {len(lacking)} of {len(utts)} in all "
            f"(asrkit perturb makes both anew; without {path.name} there is no table of noises)"
        )
    return conditions


def count_by_noise(counts, conditions):
    """noise -> {SNR in dB: Counts}; utterances without noise belong to every kind of noise, under None."""
    kinds = {}
    for utt, count in counts.items():
        noise, snr = conditions[utt]
        cells = kinds.setdefault(noise, {})
        cells[snr] = cells.get(snr, Counts()) + count
    clean = kinds.pop("none", {})
    return {noise: {**clean, **cells} for noise, cells in sorted(kinds.items())}


def noise_table(curves):
    """The lines of the second table: systems and kinds of noise x signal-to-noise ratios."""
    ratios = sorted({snr for *_, cells in curves for snr in cells if snr is not None}, reverse=True)
    ratios = [None] * any(None in cells for *_, cells in curves) + ratios
    counted = [cell for *_, cells in curves for cell in cells.values()]
    sizes = {cell.words for cell in counted}

    def inside(cell):
        return f"({cell.errors}/{cell.words})" if len(sizes) > 1 else f"({cell.errors})"

    width = max(len(inside(cell)) for cell in counted)

    def show(cell):
        return f"{100 * cell.errors / cell.words:.2f} {inside(cell):>{width}}" if cell and cell.words else "-"

    rows = [["system", "noise", *("clean" if snr is None else f"{snr:g} dB" for snr in ratios)]]
    rows += [[name, noise, *(show(cells.get(snr)) for snr in ratios)] for name, noise, cells in curves]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        f"WER % by signal-to-noise ratio ({'errors/words' if len(sizes) > 1 else f'errors of {sizes.pop()} words'})"
    ]
    for row in rows:
        cells = [
            f"{text:{'<' if place < 2 else '>'}{width}}"
            for place, (text, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells))
    return lines


def copy(source, target):
    try:
        data = source.read_bytes()
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror} (asrkit score makes it)") from None
    with atomic_write(target, "wb") as stream:
        stream.write(data)


def draw(plot, path):
    """Let `plot(stream)` write one picture, whole or not at all."""
    with atomic_write(path, "wb") as stream:
        plot(stream)


def read_curves(path):
    """word -> [(iteration, objective per frame, Gaussians)] of a training log."""
    curves = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            curves.setdefault(entry["word"], []).append(
                (entry["iteration"], entry["per_frame"], entry["gaussians"])
            )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: no training log: {error} (asrkit train makes it)") from None
    return curves


def draw_alignment(systems, args, path):
    """Draw one utterance's best path; the picture's caption, or None where no system has states."""
    from asrkit.plots import words as plots

    for system in reversed(systems):
        model_set = read_model(system["exp"])
        if max(model.num_states for model in model_set.models.values()) > 1:
            break
    else:
        return None
    features = read_features(args.dir, frontend=model_set.frontend)
    hyps = dict(line.split() for line in (system["heard"] / "hyp").read_text(encoding="utf-8").splitlines())
    right = [
        utt
        for utt, word in hyps.items()
        if features.data.text.get(utt) == word and utt in features.data.feats
    ]
    utt = args.utt or next(iter(right), None)
    if utt is None:
        return None
    if utt not in features.data.feats:
        raise DataError(
            f"{args.dir}: utterance '{utt}' has no features that can be drawn (--utt names another)"
        )
    word = hyps.get(utt, model_set.words[0])
    block = Block.from_items([(utt, model_set.observe(features.read(utt)))])
    model = model_set.models[word]
    score, states = model.align(block)
    per_frame = model.emission.log_likelihood(block.obs)[np.arange(len(states)), states]
    picture, centers_hz, shift_s, source = spectrogram(features, utt, len(states))
    title = f"{utt}: Viterbi alignment with '{word}' ({system['name']}), log-likelihood {score[0]:.1f}"
    draw(
        lambda stream: plots.plot_alignment(
            picture, centers_hz, shift_s, states, word, per_frame, stream, title
        ),
        path,
    )
    return f"{system['name']}: the best state sequence of {utt} over its {source}"


def spectrogram(features, utt, num_frames):
    """(dB (F, T), band centres in Hz, seconds a frame, what it is) of an utterance."""
    import librosa

    shift_s = features.frame_shift_s()
    data = features.data
    segment = data.segments.get(utt)
    recording = segment.recording if segment else utt
    if recording in data.wav:
        # no more than the model hears
        heard_hz = features.frontend.mfcc.sample_rate_hz if features.frontend.mfcc else None
        samples, own_hz = read_audio(data.wav[recording], rate=heard_hz, base=data.path)
        rate_hz = heard_hz or own_hz
        if segment:
            samples = samples[
                int(segment.start_s * rate_hz) : None if segment.end_s < 0 else int(segment.end_s * rate_hz)
            ]
        hop, num_fft = round(shift_s * rate_hz), 1 << (round(0.025 * rate_hz) - 1).bit_length()
        power = librosa.feature.melspectrogram(
            y=samples, sr=rate_hz, n_fft=num_fft, hop_length=hop, n_mels=32, power=2.0
        )
        centers_hz = librosa.mel_frequencies(n_mels=34, fmax=rate_hz / 2)[1:-1]
        picture = librosa.power_to_db(power, top_db=None)
        edge = np.arange(num_frames) + (picture.shape[1] - num_frames) // 2
        return picture[:, np.clip(edge, 0, picture.shape[1] - 1)], centers_hz, shift_s, "spectrogram"
    # No recording: the smooth spectrum that the cepstra came from, on librosa's mel scale up to 4 kHz.
    from scipy.fft import idct

    cepstra = features.read(utt)[:, :13]
    picture = idct(np.pad(cepstra, ((0, 0), (0, 32 - cepstra.shape[1]))), norm="ortho", axis=1).T
    return (
        picture,
        librosa.mel_frequencies(n_mels=34, fmax=4000)[1:-1],
        shift_s,
        "spectrum, rebuilt from its cepstra",
    )
