"""MixGoP at the size of self-supervised features: archives of 768 dimensions, 40 phones, mixtures of 32."""

import shutil

import benchmark_asrkit as asrkit
import kaldiio
import numpy as np
from benchmark_timing import Row, measure, say, yes_no

PHONES, DIM, UTT_FRAMES, PHONE_FRAMES, SHIFT_S = 40, 768, 1000, 10, 0.02
TRAIN = ["--delta-order", 0, "--pooling", "all", "--num-gauss", 32, "--max-tokens", 512]
# Work: most seconds, most MB.
POSTERIOR = f"score, diag, {PHONES} phones' posterior"
LIMITS = {
    "train, full": (120, 2000),
    "score, diag": (9, 500),
    POSTERIOR: (60, 500),
    "score, full": (60, 1000),
}


def mixgop(corpus, options):
    """Pronunciation scores: 512 tokens of 768 dimensions for each of 40 phones trained, then every frame of
    an archive scored.
    """
    folder = corpus.work / "mixgop"
    frames = write_features(folder, round(options.mixgop_frames))
    rows = []
    try:
        for covariance in ("diag", "full"):
            model = folder / covariance
            train = [
                "mixgop",
                "train",
                folder / "data",
                folder / "ali",
                model,
                "--covariance",
                covariance,
                *TRAIN,
            ]
            rows.append(row(corpus, f"train, {covariance}", train, frames))
            score = ["mixgop", "score", model, folder / "data", folder / "ali", folder / "scores"]
            rows.append(row(corpus, f"score, {covariance}", [*score, "--posterior", "false"], frames))
            if covariance == "diag":  # forty times the work: of full covariances, half an hour
                rows.append(row(corpus, POSTERIOR, score, frames))
    finally:
        shutil.rmtree(folder)
    return rows


def row(corpus, work, command, frames):
    say(f"mixgop: {work}")
    usage = measure(
        [asrkit.command(*command)], corpus.work / "mixgop.log", environment=asrkit.environment(), memory=True
    )
    target = "–"
    if work in LIMITS and frames == 1_000_000:  # the limits are those of a million frames
        most_s, most_mb = LIMITS[work]
        target = f"≤ {most_s} s: {yes_no(usage.seconds <= most_s)}; < {most_mb} MB: {yes_no(usage.peak_mb < most_mb)}"
    quality = f"{usage.seconds / frames * 1e6:.1f} µs a frame with the start and the reading; peak {usage.peak_mb:.0f} MB"
    return Row(
        f"mixgop, {work}",
        f"asrkit, {frames:,} frames of {DIM} dimensions",
        [usage.seconds],
        quality=quality,
        target=target,
    )


def write_features(folder, frames):
    """A data directory of utterances of 20 s, and who says what when; four clouds a phone."""
    rng, ctm, speakers = np.random.default_rng(0), [], []
    clouds = rng.standard_normal((PHONES, 4, DIM), dtype=np.float32)
    (folder / "data").mkdir(parents=True)
    (folder / "ali").mkdir()
    count = max(1, frames // UTT_FRAMES)
    say(f"mixgop: writing {count * UTT_FRAMES:,} frames")
    with kaldiio.WriteHelper(f"ark,scp:{folder / 'data/feats.ark'},{folder / 'data/feats.scp'}") as writer:
        for number in range(count):
            utt = f"speaker-{number:06d}"
            phones, cloud = (
                rng.integers(0, PHONES, UTT_FRAMES // PHONE_FRAMES),
                rng.integers(0, 4, UTT_FRAMES // PHONE_FRAMES),
            )
            centres = np.repeat(clouds[phones, cloud], PHONE_FRAMES, axis=0)
            writer(utt, centres + rng.standard_normal(centres.shape, dtype=np.float32))
            length_s = PHONE_FRAMES * SHIFT_S
            ctm += [
                f"{utt} 1 {i * length_s:.2f} {length_s:.2f} P{phone:02d}\n" for i, phone in enumerate(phones)
            ]
            speakers.append(f"{utt} speaker\n")
    (folder / "data/utt2spk").write_text("".join(speakers), encoding="utf-8")
    (folder / "data/frame_shift").write_text(f"{SHIFT_S}\n", encoding="utf-8")
    (folder / "ali/phones.ctm").write_text("".join(ctm), encoding="utf-8")
    return count * UTT_FRAMES
