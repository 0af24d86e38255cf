"""Say what a file or folder holds: a model, codebook, statistics, data directory, ark, scp, recording or exp
folder.
"""

import os
from pathlib import Path

import numpy as np

from asrkit.errors import DataError
from asrkit.io.archive import read_ark, read_scp
from asrkit.io.data_dir import read_data_dir
from asrkit.io.files import read_table
from asrkit.io.mixgop_file import KIND, read_mixgop
from asrkit.io.model_file import read_codebook, read_model, read_npz, read_stats

EXAMPLE = "example: asrkit info exp/chmm/final.npz"
DATA_FILES = ("wav.scp", "feats.scp", "text", "utt2spk")


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", help="file or folder")


def main(args):
    path = Path(args.file)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir():
        lines = describe_folder(path)
    elif path.suffix == ".npz" or path.read_bytes()[:2] == b"PK":
        lines = describe_npz(path)
    elif path.suffix == ".scp":
        lines = describe_arrays(path, read_scp(read_table(path, check_sorted=False), base=path.parent))
    elif path.suffix == ".ark":
        lines = describe_arrays(path, read_ark(path))
    else:
        lines = describe_recording(path)
    print("\n".join(lines))
    return 0


def describe_folder(path):
    if any((path / name).exists() for name in DATA_FILES):
        return describe_data(path)
    if (path / "final.npz").exists() or (path / "codebook.npz").exists():
        lines = [f"exp folder {path}"]
        for name in ("codebook.npz", "final.npz"):
            if (path / name).exists():
                lines += describe_npz(path / name)
        for wer in sorted(path.glob("decode*/wer_*")):
            lines += [f"{wer}: {wer.read_text().splitlines()[0]}"]
        return lines
    raise DataError(
        f"{path}: neither a data directory (none of {', '.join(DATA_FILES)}) nor an exp folder (no final.npz)"
    )


def describe_data(path):
    data = read_data_dir(path)
    words = {}
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
        frames = [int(n) for n in read_table(path / "utt2num_frames").values()]
        if frames:
            lines.append(
                f"frames: {sum(frames)} in all, {min(frames)} to {max(frames)}, median {int(np.median(frames))}"
            )
    return lines


def describe_npz(path):
    kind = npz_kind(path)
    if kind == "codebook":
        codebook, frontend = read_codebook(path)
        return [
            f"codebook {path}",
            f"vectors: {codebook.size}, dimension {codebook.vectors.shape[1]}",
            *describe_frontend(frontend),
        ]
    if kind == "statistics":
        sums, _ = read_stats(path)
        frames = sum(int(arrays["frames"]) for arrays in sums.values())
        return [f"statistics {path}", f"words: {len(sums)}", f"frames: {frames}"]
    if kind == KIND:
        return describe_mixgop(path)
    model_set = read_model(path)
    lines = [f"model {path}", f"family: {model_set.family}", f"words: {len(model_set.words)}"]
    for word in model_set.words:
        model = model_set.models[word]
        parts = f"{model.num_states} states" + (f", {model.num_gauss} Gaussians" if model.num_gauss else "")
        lines.append(f"  {word}: {parts}")
    if model_set.codebook is not None:
        lines.append(f"codebook: {model_set.codebook.size} vectors")
    settings = {**model_set.config["family"], **model_set.config["train"]}
    lines.append("settings: " + " ".join(f"{name}={value}" for name, value in settings.items()))
    return [
        *lines,
        *describe_frontend(model_set.frontend),
        f"trained on data with hash {model_set.data_hash[:16]}",
    ]


def describe_mixgop(path):
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


def npz_kind(path):
    for kind in ("model", "codebook", "statistics", KIND):
        try:
            read_npz(path, kind)
            return kind
        except DataError as error:
            if "holds a" not in str(error):
                raise
    raise DataError(f"{path}: an asrkit file of a kind this version does not know")


def describe_frontend(frontend):
    made, mfcc, ssl, t = (
        "given, nobody said how they were made",
        frontend.mfcc,
        frontend.ssl,
        frontend.transform,
    )
    if mfcc is not None:
        made = f"{mfcc.preset} MFCC at {mfcc.sample_rate_hz} Hz, {mfcc.frame_length_ms:g}/{mfcc.frame_shift_ms:g} ms"
    elif ssl is not None:
        made = f"layer {ssl.layer} of the self-supervised model {ssl.ssl_model} at {ssl.sample_rate_hz} Hz"
    return [
        f"features: dimension {frontend.dim}, {made}; cmvn {t.cmvn}{' with variance' if t.norm_vars else ''}, deltas of order {t.delta_order}"
    ]


def describe_arrays(path, pairs):
    shapes, kinds, count = {}, set(), 0
    rows = 0
    for _, array in pairs:
        count += 1
        kinds.add(str(array.dtype))
        rows += len(array)
        shape = "vectors" if array.ndim == 1 else f"matrices of dimension {array.shape[1]}"
        shapes[shape] = shapes.get(shape, 0) + 1
    held = ", ".join(f"{n} {shape}" for shape, n in shapes.items())
    return [f"archive {path}", f"entries: {count} ({held}; {', '.join(sorted(kinds))})", f"rows: {rows}"]


def describe_recording(path):
    from asrkit.io.audio import audio_info

    try:
        rate_hz, samples, channels = audio_info(os.fspath(path))
    except DataError:
        raise DataError(
            f"{path}: neither an asrkit file, an archive, a data directory nor a recording"
        ) from None
    return [f"recording {path}", f"{samples / rate_hz:.3f} s at {rate_hz} Hz, {channels} channel(s)"]
