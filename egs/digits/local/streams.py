#!/usr/bin/env python3
"""Cut words out of streams, and hear them: the figures of README's "Listening".

The recordings of DIR are shuffled into one stream, each as loud as the others, with 0.3 to 1.5 s between them; pink noise lies between and over
them, so many dB below the words. A word is cut whole where one stretch holds it, no other word's, and all but a hundredth of its energy. With
--talk, an hour of what holds no word of the model: recordings of sentences below that folder (WAV or FLAC; after the first round at other speeds), and
claps, tones, chirps and hisses between them.

example: local/streams.py exp/chmm data/test --talk ~/sentences
"""

import argparse
import time
from pathlib import Path

import numpy as np

import asrkit
from asrkit.audio.perturbation import mix, pink_noise
from asrkit.audio.samples import resample
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import read_data_dir

GAP_S, OVERLAP_S, PUSHED_S = (0.3, 1.5), 0.05, 0.02
LEVEL = 0.1  # root mean square of what is said
SPEEDS = (0.85, 1.2)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exp", type=Path, metavar="EXP", help="a model with confidence")
    parser.add_argument("dir", type=Path, metavar="DIR", help="data directory with wav.scp and text")
    parser.add_argument("--snr", type=float, nargs="*", default=[40, 20, 10, 5], help="dB")
    parser.add_argument("--talk", type=Path, help="folder of sentences without any of the model's words")
    parser.add_argument("--hours", type=float, default=1.0, help="of talk")
    parser.add_argument("--min-confidence", type=float, nargs="*", default=[0.6, 0.85])
    parser.add_argument("--same-speaker", action="store_true", help="learn as it goes")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model, data = asrkit.load(args.exp), read_data_dir(args.dir)
    rate_hz = model.frontend.rate_hz
    words = [
        (data.text[utt], loud(read_audio(place, rate=rate_hz, base=args.dir)[0]))
        for utt, place in data.wav.items()
    ]
    print("| signal to noise | cut whole | split, merged, missed | false stretches | " + " | ".join(
        f"right, wrong at p >= {least:g}" for least in args.min_confidence) + " | wait, s | real time |")  # fmt: skip
    print("|---" * (6 + len(args.min_confidence)) + "|")
    for snr_db in args.snr:
        samples, places = stream_of(words, rate_hz, np.random.default_rng(args.seed), snr_db)
        heard, waits, seconds = hear(model, samples, rate_hz, args.same_speaker)
        judged = judge(heard, places, samples, rate_hz)
        believed = [
            f"{sum(ok for ok, p in judged.answers if p >= least)}, {sum(not ok for ok, p in judged.answers if p >= least)}"
            for least in args.min_confidence
        ]
        row = [f"{snr_db:g} dB", f"{judged.whole} of {len(places)}", f"{judged.split}, {judged.merged}, {judged.missed}",
               judged.false, *believed, f"{np.median(waits):.2f}", f"{seconds * rate_hz / len(samples):.3f}"]  # fmt: skip
        print("|", " | ".join(map(str, row)), "|", flush=True)
    if args.talk:
        samples, count = talk_of(args.talk, rate_hz, args.hours, np.random.default_rng(args.seed))
        heard, _, _ = hear(model, samples, rate_hz, args.same_speaker)
        for least in args.min_confidence:
            false = sum(own.confidence >= least for own in heard)
            print(
                f"{len(samples) / rate_hz / 3600:.2f} h of talk, {count} sentences, {len(heard)} stretches: {false} words at p >= {least:g}"
            )


class Judged:
    """What became of the words of a stream."""

    def __init__(self):
        self.whole = self.split = self.merged = self.missed = self.false = 0
        self.answers = []  # (right, p) of every stretch


def loud(samples):
    return samples * (LEVEL / np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def stream_of(words, rate_hz, rng, snr_db):
    """Samples, and (word, first sample, the one behind the last, its own samples) of each word."""
    parts, places, count = [], [], 0
    for index in [*rng.permutation(len(words)), None]:
        parts.append(np.zeros(round(rng.uniform(*GAP_S) * rate_hz)))
        count += len(parts[-1])
        if index is not None:
            word, own = words[index]
            parts.append(own)
            places.append((word, count, count + len(own), own))
            count += len(own)
    noise = pink_noise(count, rate_hz, rng)
    noise *= LEVEL * 10 ** (-snr_db / 20) / np.sqrt(np.mean(noise**2))
    return (np.concatenate(parts) + noise).astype(np.float32), places


def hear(model, samples, rate_hz, same_speaker):
    """What is heard, how long each waited for its line in seconds of the stream, and seconds that it took."""
    stream = model.stream(speaker=model.speaker() if same_speaker else None)
    size, heard, waits, start = round(PUSHED_S * rate_hz), [], [], time.perf_counter()
    for at in range(0, len(samples), size):
        for own in stream.push(samples[at : at + size]):
            heard.append(own)
            waits.append((at + size) / rate_hz - own.end_s)
    return heard + stream.close(), waits, time.perf_counter() - start


def judge(heard, places, samples, rate_hz):
    out, least = Judged(), OVERLAP_S * rate_hz
    starts, ends = (
        np.round([getattr(own, side) * rate_hz for own in heard]) for side in ("start_s", "end_s")
    )
    firsts, lasts = (np.array([place[side] for place in places]) for side in (1, 2))
    shared = (
        np.minimum(ends[:, None], lasts) - np.maximum(starts[:, None], firsts) > least
    )  # (stretches, words)
    out.false = int((~shared.any(axis=1)).sum())
    for at, (_, first, _, own) in enumerate(places):
        mine = np.flatnonzero(shared[:, at])
        if len(mine) != 1:
            out.missed, out.split = out.missed + (not len(mine)), out.split + (len(mine) > 1)
        elif shared[mine[0]].sum() > 1:
            out.merged += 1
        else:
            energy = np.square(own, dtype=np.float64)
            held = energy[max(0, int(starts[mine[0]]) - first) : int(ends[mine[0]]) - first].sum()
            out.whole += bool(held >= 0.99 * energy.sum())
    for own, row in zip(heard, shared, strict=True):
        said = [places[at][0] for at in np.flatnonzero(row)]
        scores = own.hypothesis.scores if own.hypothesis else {}
        out.answers.append((bool(scores) and said == [max(scores, key=scores.get)], own.confidence))
    return out


def talk_of(folder, rate_hz, hours, rng):
    """Samples, and how many sentences are in them."""
    paths = sorted([*folder.rglob("*.wav"), *folder.rglob("*.flac")])
    parts, count, said = [], 0, 0
    while count < hours * 3600 * rate_hz:
        if said % len(paths) == 0:
            order = rng.permutation(len(paths))
        samples, own_hz = read_audio(paths[order[said % len(paths)]])
        speed = rng.uniform(*SPEEDS) if said >= len(paths) else 1.0
        parts += [loud(resample(samples, round(own_hz * speed), rate_hz)), sound(rate_hz, rng)]
        count, said = count + sum(map(len, parts[-2:])), said + 1
    samples = np.concatenate(parts)
    noise = pink_noise(len(samples), rate_hz, rng)
    return mix(samples, noise, 25.0).astype(np.float32), said


def sound(rate_hz, rng):
    """Half a second to three of a clap, a tone, a chirp, a hiss, or nothing."""
    t = np.arange(round(rng.uniform(0.5, 3) * rate_hz)) / rate_hz
    kind = rng.integers(5)
    if kind == 0:
        claps = np.zeros(len(t))
        for at in rng.integers(len(t) - rate_hz // 10, size=5):
            burst = t[: rate_hz // 10]
            claps[at : at + len(burst)] += 0.3 * np.exp(-burst / 0.02) * rng.standard_normal(len(burst))
        return claps
    if kind == 1:
        return LEVEL * np.sin(2 * np.pi * rng.uniform(200, 3000) * t)
    if kind == 2:
        return LEVEL * np.sin(2 * np.pi * (300 * t + 1000 * t**2 / t[-1]))
    if kind == 3:
        return LEVEL / 2 * np.hanning(len(t)) * rng.standard_normal(len(t))
    return np.zeros(len(t))


if __name__ == "__main__":
    main()
