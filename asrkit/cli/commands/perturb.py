"""Make perturbed copies of a data directory: noise, reverberation, speed, tempo, warp, gain.

For tests in noise and for training that shall stand it. OUT is a data directory with recordings of its own
(OUT/wavs, 16 bit, segments applied), utt2uniq (copy -> original) and perturb.tsv (what was done to each).

Every perturbation takes one value or a comma list. One value is the same for all; of a list each copy gets
one drawn at random, each list for itself, or with --grid true every combination once. So `--noise white --snr
10` makes one copy of a test set at 10 dB, `--noise none,white,babble --snr 20,15,10,5 --copies 3` a training
set, and
`--speed 0.9,1,1.1 --grid true` Kaldi's threefold one. A copy is called UTT-sp0.9-wp1.1-tp0.9-rt0.3-white10-1,
what was not done to it left out, its number last. Speakers keep their names.

The ratio of --snr is that of the energies over the whole utterance, its pauses included, after speed and
reverberation; segments (asrkit detect-endpoints) keep the pauses out. What would clip is scaled down as a
whole. Babble sums --babble-voices speakers other than the utterance's own, each at the same power and each
made of its utterances one after another. Which noise, room and factors an utterance gets hangs on --seed, its
id and the number of the copy alone; what is heard in babble and recorded noise, on what else is in the folder
they are from.
"""

import functools
import logging
import os
import tempfile
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asrkit.audio.perturbation import (
    SILENT,
    PerturbConfig,
    Treatment,
    babble_noise,
    chance,
    parse_lists,
    perturb,
    stretch,
    treatments,
)
from asrkit.cli.commands.compute_mfcc import CHUNK, cut, recordings, silence_reason, warn_of_channels
from asrkit.config import add_flag, add_options, from_args
from asrkit.errors import DataError, UsageError
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import ORIGINALS, DataDir, read_data_dir, write_data_dir
from asrkit.io.features import ReadConfig, check_skipped, first_reasons, summary
from asrkit.io.files import atomic_write, c_sorted, read_table, remove, write_table
from asrkit.runtime import ordered_map

EXAMPLE = "example: asrkit perturb data/test data/test_white10 --noise white --snr 10"
RECORD = "perturb.tsv"  # in OUT, one line an utterance: what was done to it
COLUMNS = ("utt", "original", "noise", "snr", "reverb", "speed", "tempo", "warp", "gain_db")
HELD_BYTES = 100e6  # recordings that noise is taken from are kept in memory up to this, in each process

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with wav.scp")
    parser.add_argument("out", metavar="OUT", help="the new data directory")
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_flag(
        parser, "keep-original", False, "OUT also holds the utterances as they are, under their own names"
    )
    parser.add_argument(
        "--noise-dir",
        metavar="DIR",
        help="data directory of noise, wav.scp is enough; random stretches are taken",
    )
    parser.add_argument(
        "--babble-dir", metavar="DIR", help="data directory of those who babble (default: DIR itself)"
    )
    add_flag(parser, "channel", 0, "channel of recordings that have several", minimum=0)
    add_flag(parser, "strict", False, "refuse recordings with several channels")
    add_options(parser, ReadConfig)
    add_options(parser, PerturbConfig, "perturbations (of comma lists each copy gets one value, drawn)")


@dataclass(frozen=True)
class Job:
    """What all recordings have in common; `run` tells this run's recordings in memory from another's."""

    config: PerturbConfig
    lists: dict
    keep_original: bool
    folder: Path
    base: Path
    noise_dir: str | None
    babble_dir: str
    channel: int
    strict: bool
    allow_pipes: bool
    run: int


def main(args):
    config, read = from_args(PerturbConfig, args), from_args(ReadConfig, args)
    lists, out = parse_lists(config), Path(args.out)
    refuse_folders(args, lists["noise"])
    data = read_data_dir(args.dir, require=("wav.scp",))
    if not (out / RECORD).exists() and ((out / "wav.scp").exists() or (out / "wavs").exists()):
        raise DataError(f"{out}: holds recordings that asrkit perturb did not make (choose another OUT)")
    work = [(name, [(*part, data.speaker(part[0])) for part in parts]) for _, name, parts in recordings(data)]
    if not work:
        raise DataError(f"{data.path}: no utterances (asrkit prepare-wavs makes a data directory)")
    try:
        out.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(dir=out, prefix=".wavs.")
    except OSError as error:
        raise DataError(
            f"{out}: cannot be written: {error.strerror} (choose another output folder)"
        ) from None
    # In a folder of its own until all is known to be well: what an earlier run made stays whole if this
    # breaks off.
    with staging as folder:
        job = Job(
            config,
            lists,
            args.keep_original,
            Path(folder) / "wavs",
            data.path,
            args.noise_dir,
            args.babble_dir or args.dir,
            args.channel,
            args.strict,
            read.allow_pipes,
            time.time_ns(),
        )
        job.folder.mkdir()
        check_pools(job, {part[-1] for _, parts in work for part in parts})
        rows, skipped = run(job, work, args.nj)
        done = len({row.original for row in rows.values()})
        check_skipped(skipped, read.max_skipped, "perturbed", done)
        if not rows:
            raise DataError(f"{data.path}: no recording could be used{first_reasons(skipped)}")
        publish(data, rows, job.folder, out)
    lower = sum(row.gain_db < row.treatment.gain_db - 1e-6 for row in rows.values())
    print(
        f"{summary('perturbed', done, skipped)}: {len(rows)} utterances in {out}, {lower} scaled down lest they clip"
    )
    return 0


def refuse_folders(args, noises):
    """Folders that are named in vain, are wanted and not named, or would be overwritten."""
    for flag, folder, kind in (
        ("--noise-dir", args.noise_dir, "recorded"),
        ("--babble-dir", args.babble_dir, "babble"),
    ):
        if folder and kind not in noises:
            raise UsageError(f"{flag} {folder}, but {kind} is not among --noise={','.join(noises)}")
    if "recorded" in noises and not args.noise_dir:
        raise UsageError("--noise=recorded needs --noise-dir, a data directory whose recordings are noise")
    for name, folder in (
        ("DIR", args.dir),
        ("--noise-dir", args.noise_dir),
        ("--babble-dir", args.babble_dir),
    ):
        if folder and Path(folder).resolve() == Path(args.out).resolve():
            raise UsageError(f"OUT is {name} ({args.out}); the copies are written elsewhere")


def check_pools(job, speakers):
    """The folders that noise comes from, before the work begins."""
    if "babble" in job.lists["noise"]:
        pool = read_pool(job.babble_dir, job.run)
        if len(pool.speakers) == 1 and pool.speakers[0] in speakers:
            raise DataError(
                f"{job.babble_dir}: only speaker '{pool.speakers[0]}', whom nobody else can drown (give a --babble-dir)"
            )
    if "recorded" in job.lists["noise"]:
        read_pool(job.noise_dir, job.run)


@dataclass(frozen=True)
class Row:
    original: str
    speaker: str
    treatment: Treatment
    gain_db: float
    duration_s: float


def run(job, work, jobs):
    """Write the recordings of all copies to `job.folder`: {utt: Row}, {original: why it is left out}."""
    chunks = [work[i : i + CHUNK] for i in range(0, len(work), CHUNK)]
    rows, skipped, several, useless = {}, {}, [], {}
    for made, failed, channels, bad in ordered_map(
        functools.partial(perturb_chunk, job=job),
        chunks,
        jobs=jobs,
        label=f"perturbations, {CHUNK} recordings a step",
    ):
        for utt, row in made:
            if utt in rows:
                both = f"'{rows[utt].original}' and '{row.original}'"
                raise DataError(
                    f"{job.base}: of {both} come two utterances '{utt}' (rename one, or leave it out)"
                )
            rows[utt] = row
        skipped.update(failed)
        several += channels
        useless.update(bad)
    warn_of_channels(several, job.channel)
    if useless:
        log.warning("%d recordings could not be used as noise%s", len(useless), first_reasons(useless))
    return rows, skipped


def perturb_chunk(chunk, job):
    """Copies of some recordings, written: [(utt, Row)], {original: reason}, those with several channels, {bad
    noise: reason}.
    """
    made, skipped, several, useless = [], {}, [], {}
    for name, parts in chunk:
        try:
            samples, rate = read_audio(
                name,
                base=job.base,
                channel=job.channel,
                strict=job.strict,
                allow_pipes=job.allow_pipes,
                on_channels=lambda _, utt=parts[0][0]: several.append(utt),
            )
        except DataError as error:
            skipped.update((utt, str(error)) for utt, _, _, _ in parts)
            continue
        for utt, start_s, end_s, speaker in parts:
            try:
                part = cut(samples, rate, start_s, end_s)
                reason = silence_reason(part)
                if reason:
                    raise DataError(reason)
                for new, copy, treatment in copies(job, utt):
                    other_noise = functools.partial(
                        take_noise, job=job, rate=rate, speaker=speaker, useless=useless
                    )
                    room, noise = (
                        chance(job.config.seed, utt, copy, purpose) for purpose in ("room", "noise")
                    )
                    sound, gain_db = perturb(
                        part,
                        rate,
                        treatment,
                        room=room,
                        noise=noise,
                        drr_db=job.config.drr,
                        other_noise=other_noise,
                    )
                    write_wav(job.folder / file_name(new), sound, rate)
                    made.append((new, Row(utt, speaker, treatment, gain_db, len(sound) / rate)))
            except DataError as error:
                skipped[utt] = str(error)
    return made, skipped, several, useless


def copies(job, utt):
    """(new name, number, Treatment) of all that OUT holds of an utterance."""
    found = [
        (f"{utt}{treatment.suffix}-{copy}", copy, treatment)
        for copy, treatment in treatments(job.config, job.lists, utt)
    ]
    return [*found, (utt, 0, Treatment())] if job.keep_original else found


def file_name(utt):
    return utt.replace("%", "%25").replace("/", "%2F") + ".wav"


def write_wav(path, samples, rate):
    """16-bit PCM; samples that were 16 bit and were not touched come out as they were.

    Not by soundfile, which waits for every file until it is on the disk: that took ten times as long as all
    else.
    """
    try:
        with wave.open(str(path), "wb") as stream:
            stream.setparams((1, 2, rate, 0, "NONE", None))
            stream.writeframes(np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes())
    except OSError as error:
        # no fault of this recording
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from None


# Noise from recordings


@dataclass(frozen=True)
class Pool:
    """Utterances that noise is made of, as (file, start_s, end_s): all, and by speaker."""

    base: Path
    parts: list
    by_speaker: dict
    speakers: list
    index: dict


@functools.lru_cache(maxsize=2)
def read_pool(directory, run):
    data = read_data_dir(directory, require=("wav.scp",))
    everything, by_speaker = [], {}
    for _, name, parts in recordings(data):
        for utt, start_s, end_s in parts:
            everything.append((name, start_s, end_s))
            by_speaker.setdefault(data.speaker(utt), []).append(everything[-1])
    if not everything:
        raise DataError(
            f"{data.path}: no utterances to make noise of (asrkit prepare-wavs makes a data directory)"
        )
    speakers = c_sorted(by_speaker)
    return Pool(
        data.path, everything, by_speaker, speakers, {speaker: i for i, speaker in enumerate(speakers)}
    )


def take_noise(kind, count, rng, job, rate, speaker, useless):
    """`count` samples of babble by others than `speaker`, or of recorded noise; what cannot be read goes to
    `useless`.
    """
    read = functools.partial(usable, job=job, rate=rate, useless=useless)
    if kind == "babble":
        pool = read_pool(job.babble_dir, job.run)
        names = draw_speakers(pool, job.config.babble_voices, speaker, rng)
        return babble_noise(count, [read(pool, shuffled(pool.by_speaker[name], rng)) for name in names], rng)
    pool = read_pool(job.noise_dir, job.run)
    for samples in read(pool, shuffled(pool.parts, rng)):
        sound = stretch(count, samples, rng)
        if np.std(sound) > SILENT:
            return sound
    raise DataError(f"{job.noise_dir}: no recording that makes a noise{first_reasons(useless)}")


def draw_speakers(pool, voices, speaker, rng):
    """As many different ones as there are, none of them `speaker`; if they are fewer than the voices, they
    come again.
    """
    own = pool.index.get(speaker, len(pool.speakers))
    others = len(pool.speakers) - (speaker in pool.index)
    drawn = np.resize(rng.choice(others, min(voices, others), replace=False), voices)
    return [pool.speakers[i + (i >= own)] for i in drawn]


def shuffled(parts, rng):
    """`parts` in random order; the order is drawn now, not when the first is asked for."""
    return (parts[i] for i in rng.permutation(len(parts)))


def usable(pool, parts, job, rate, useless):
    """Yield the samples of `parts` that can be read."""

    def whole(name):
        return read_audio(
            name, rate=rate, base=pool.base, allow_pipes=job.allow_pipes, on_channels=lambda _: None
        )[0]

    for name, start_s, end_s in parts:
        try:
            samples = _recent.get((job.run, pool.base, name, rate), functools.partial(whole, name))
            samples = cut(samples, rate, start_s, end_s)
        except DataError as error:
            useless[name] = str(error)
            continue
        yield samples


class Recent:
    """What was made lately and may be asked for again, by key; the longest unused goes when it is too much."""

    def __init__(self):
        self.held, self.size = {}, 0

    def get(self, key, make):
        if key in self.held:
            array = self.held.pop(key)
        else:
            array = make()
            self.size += array.nbytes
        self.held[key] = array  # now the last
        while self.size > HELD_BYTES:
            self.size -= self.held.pop(next(iter(self.held))).nbytes
        return array


_recent = Recent()  # of this process: its chunks share it


# OUT


def publish(data, rows, folder, out):
    """Move the recordings from `folder` to OUT/wavs, what an earlier run left there to where they were, and
    write the tables.
    """
    wavs = Path(os.path.abspath(out / "wavs"))
    try:
        # The whole folder: file by file over older ones takes a hundred times as long.
        if wavs.exists():
            os.replace(wavs, folder.with_name("earlier"))
        os.replace(folder, wavs)
    except OSError as error:
        raise DataError(f"{wavs}: cannot be written: {error.strerror}") from None
    wav = {utt: str(wavs / file_name(utt)) for utt in rows}
    text = {utt: data.text[row.original] for utt, row in rows.items() if row.original in data.text}
    for name in ("utt2dur", ORIGINALS):  # of an earlier run, quietly
        remove(out / name)
    write_data_dir(
        DataDir(data.path, wav=wav, text=text, utt2spk={utt: row.speaker for utt, row in rows.items()}), out
    )
    write_table(
        out / "utt2dur", {utt: f"{row.duration_s:.3f}".rstrip("0").rstrip(".") for utt, row in rows.items()}
    )
    # DIR may hold copies itself
    originals = read_table(data.path / ORIGINALS) if (data.path / ORIGINALS).exists() else {}
    write_table(
        out / ORIGINALS, {utt: originals.get(row.original, row.original) for utt, row in rows.items()}
    )
    with atomic_write(out / RECORD) as stream:
        stream.write("\t".join(COLUMNS) + "\n")
        for utt in c_sorted(rows):
            row, done = rows[utt], rows[utt].treatment
            snr = "" if done.snr is None else f"{done.snr:g}"
            numbers = (
                f"{value:g}"
                for value in (done.reverb, done.speed, done.tempo, done.warp, round(row.gain_db, 4) + 0.0)
            )
            stream.write("\t".join((utt, row.original, done.noise, snr, *numbers)) + "\n")
