"""Make perturbed copies of a data directory: noise, reverberation, speed, tempo, warp, gain."""

import functools
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.audio import perturbation
from asrkit.audio.level import silence_reason
from asrkit.audio.perturbation import PerturbConfig, Treatment, parse_lists
from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.io.audio import read_audio, write_wav
from asrkit.io.data_dir import ORIGINALS, DataDir, read_data_dir, write_data_dir
from asrkit.io.features import ReadConfig, check_skipped, first_reasons, summary
from asrkit.io.files import atomic_write, c_sorted, read_table, remove, write_table
from asrkit.io.holds import holding
from asrkit.io.names import check_alike, file_name
from asrkit.io.noise import NoiseSource
from asrkit.io.places import RemotePath, absolute, as_path
from asrkit.io.recordings import CHUNK, Recording, cut, in_chunks, recordings
from asrkit.io.remarks import Remarks, warn_of
from asrkit.io.temporaries import temporary_folder
from asrkit.runtime import ordered_map

RECORD = "perturb.tsv"  # one line an utterance: what was done to it
COLUMNS = ("utt", "original", "noise", "snr", "reverb", "speed", "tempo", "warp", "gain_db")

log = logging.getLogger("asrkit")

Part = tuple[str, float, float, str]  # utterance, start and end in s, speaker


@dataclass(frozen=True)
class Copy:
    """A perturbed copy of an utterance; `gain_db` is the treatment's, less what it took not to clip."""

    original: str
    speaker: str
    treatment: Treatment
    gain_db: float
    duration_s: float


@dataclass(frozen=True)
class Perturbed:
    """A data directory of perturbed copies.

    Attributes
    ----------
    out_dir : path
    copies : dict of str to Copy
        By the names of the new utterances.
    skipped : dict of str to str
        Utterances that could not be used, with the reasons.
    """

    out_dir: Path
    copies: dict[str, Copy]
    skipped: dict[str, str]

    @property
    def num_originals(self) -> int:
        """Utterances of which there are copies."""
        return len({copy.original for copy in self.copies.values()})

    @property
    def num_scaled(self) -> int:
        """Copies that were scaled down lest they clip."""
        return sum(copy.gain_db < copy.treatment.gain_db - 1e-6 for copy in self.copies.values())

    def lines(self) -> list[str]:
        """One line: how many utterances were perturbed, and how many copies there are."""
        done = summary("perturbed", self.num_originals, self.skipped)
        return [
            f"{done}: {len(self.copies)} utterances in {self.out_dir}, {self.num_scaled} scaled down lest they clip"
        ]


@dataclass(frozen=True)
class Job:
    """What all recordings have in common."""

    config: PerturbConfig
    lists: dict[str, Any]
    keep_original: bool
    folder: Path
    base: Path
    source: NoiseSource
    channel: int
    strict: bool
    allow_pipes: bool


@holding("out_dir")
def perturb(
    data_dir: PathLike,
    out_dir: PathLike,
    *,
    config: PerturbConfig,
    noise_dir: PathLike | None = None,
    babble_dir: PathLike | None = None,
    keep_original: bool = False,
    read: ReadConfig | None = None,
    channel: int = 0,
    strict: bool = False,
    jobs: int = 1,
) -> Perturbed:
    """Write a data directory of perturbed copies, with recordings of its own, utt2uniq and perturb.tsv.

    Which noise, room and factors an utterance gets depends on the seed, its id and the copy's number alone.

    Parameters
    ----------
    data_dir, out_dir : path
        Data directory with wav.scp, and folder of the new one.
    config : PerturbConfig
        What is done; of comma lists each copy gets one value, drawn.
    noise_dir : path, optional
        Data directory of recorded noise; wav.scp is enough.
    babble_dir : path, optional
        Data directory of those who babble; without it `data_dir` itself.
    keep_original : bool
        The new directory also holds the utterances as they are, under their own names.
    read : ReadConfig, optional
        How many recordings may fail, and whether pipes are run.
    channel : int
        Channel of recordings that have several, counted from 0.
    strict : bool
        Refuse recordings with several channels.
    jobs : int
        Processes.

    Returns
    -------
    Perturbed

    Raises
    ------
    DataError
        Data can't be used, or a folder can't be written or holds other recordings.
    SettingsError
        A setting is impossible, or folders are named in vain, not named or would be overwritten.
    """
    lists, out, read = parse_lists(config), as_path(out_dir), read or ReadConfig()
    check_folders(lists["noise"], data_dir, out, noise_dir, babble_dir)
    data = read_data_dir(data_dir, require=("wav.scp",))
    if not (out / RECORD).exists() and ((out / "wav.scp").exists() or (out / "wavs").exists()):
        raise DataError(
            f"{out}: holds recordings that asrkit perturb did not make (choose another output folder)"
        )
    work = [(one, [(*part, data.speaker(part[0])) for part in one.parts]) for one in recordings(data)]
    if not work:
        raise DataError(f"{data.path}: no utterances (asrkit prepare-wavs makes a data directory)")
    source = NoiseSource(
        noise_dir, babble_dir or data_dir, config.babble_voices, read.allow_pipes, time.time_ns()
    )
    # In a folder of its own until all is known to be well: what an earlier run made stays whole if this
    # breaks off.
    far = isinstance(out, RemotePath)
    with tempfile.TemporaryDirectory() if far else temporary_folder(out, "wavs") as temporary:
        folder = Path(temporary)
        job = Job(
            config,
            lists,
            keep_original,
            folder / "wavs",
            data.path,
            source,
            channel,
            strict,
            read.allow_pipes,
        )
        job.folder.mkdir()
        source.check(lists["noise"], {part[-1] for _, parts in work for part in parts})
        made = Perturbed(out, *write_recordings(job, work, jobs))
        check_skipped(made.skipped, read.max_skipped, "perturbed", made.num_originals)
        if not made.copies:
            raise DataError(f"{data.path}: no recording could be used{first_reasons(made.skipped)}")
        publish(data, made.copies, job.folder, out)
    return made


def check_folders(
    noises: Sequence[str],
    data_dir: PathLike,
    out: Path,
    noise_dir: PathLike | None,
    babble_dir: PathLike | None,
) -> None:
    """Refuse folders that are named in vain, are wanted and not named, or would be overwritten."""
    named = {"noise_dir": (noise_dir, "recorded"), "babble_dir": (babble_dir, "babble")}
    for name, (folder, kind) in named.items():
        if folder and kind not in noises:
            raise SettingsError(f"{name}={folder}, but {kind} is not among noise={','.join(noises)}")
    if "recorded" in noises and not noise_dir:
        raise SettingsError("noise=recorded needs noise_dir=DIR, a data directory whose recordings are noise")
    sources = {"the data directory": data_dir, f"noise_dir={noise_dir}": noise_dir}
    sources[f"babble_dir={babble_dir}"] = babble_dir
    for name, folder in sources.items():
        if folder and as_path(folder).resolve() == out.resolve():
            raise SettingsError(f"{out}: the output folder is {name}; the copies are written elsewhere")


def write_recordings(
    job: Job, work: list[tuple[Recording, list[Part]]], jobs: int
) -> tuple[dict[str, Copy], dict[str, str]]:
    """Write the recordings of all copies to `job.folder`.

    Returns
    -------
    copies : dict of str to Copy
    skipped : dict of str to str
        Why utterances are left out.
    """
    copies: dict[str, Copy] = {}
    skipped: dict[str, str] = {}
    remarks: dict[str, Remarks] = {}
    unusable: dict[str, str] = {}
    for made, failed, odd, bad in ordered_map(
        functools.partial(perturb_chunk, job=job),
        in_chunks(work, CHUNK),
        jobs=jobs,
        label=f"perturbations, {CHUNK} recordings a step",
    ):
        for utt, copy in made:
            if utt in copies:
                both = f"'{copies[utt].original}' and '{copy.original}'"
                raise DataError(
                    f"{job.base}: of {both} come two utterances '{utt}' (rename one, or leave it out)"
                )
            copies[utt] = copy
        skipped.update(failed)
        remarks.update(odd)
        unusable.update(bad)
    warn_of(remarks)
    if unusable:
        log.warning("%d recordings could not be used as noise%s", len(unusable), first_reasons(unusable))
    return copies, skipped


def perturb_chunk(
    chunk: list[tuple[Recording, list[Part]]], job: Job
) -> tuple[list[tuple[str, Copy]], dict[str, str], dict[str, Remarks], dict[str, str]]:
    """Write the copies of some recordings.

    Returns
    -------
    made : list of (str, Copy)
    skipped : dict of str to str
        Why utterances are left out.
    remarks : dict of str to Remarks
        By the first utterances of recordings that are odd.
    unusable : dict of str to str
        Why recordings could not be used as noise.
    """
    made: list[tuple[str, Copy]] = []
    skipped: dict[str, str] = {}
    remarks: dict[str, Remarks] = {}
    unusable: dict[str, str] = {}
    for recording, parts in chunk:
        try:
            samples, rate_hz = read_audio(
                recording.entry,
                base=job.base,
                channel=job.channel,
                stated=recording.channel,
                strict=job.strict,
                allow_pipes=job.allow_pipes,
                on_remarks=functools.partial(remarks.setdefault, parts[0][0]),
            )
        except DataError as error:
            skipped.update((utt, str(error)) for utt, _, _, _ in parts)
            continue
        for utt, start_s, end_s, speaker in parts:
            try:
                part = cut(samples, rate_hz, start_s, end_s)
                reason = silence_reason(part)
                if reason:
                    raise DataError(reason)
                made.extend(write_copies(job, utt, speaker, part, rate_hz, unusable))
            except DataError as error:
                skipped[utt] = str(error)
    return made, skipped, remarks, unusable


def write_copies(
    job: Job, utt: str, speaker: str, samples: np.ndarray, rate_hz: int, unusable: dict[str, str]
) -> Iterator[tuple[str, Copy]]:
    """Write all copies of one utterance, yielding (name, Copy) of each."""
    other_noise = functools.partial(job.source.take, rate_hz=rate_hz, speaker=speaker, unusable=unusable)
    for name, number, treatment in copy_treatments(job, utt):
        room, noise = (
            perturbation.chance(job.config.seed, utt, number, purpose) for purpose in ("room", "noise")
        )
        sound, gain_db = perturbation.perturb(
            samples,
            rate_hz,
            treatment,
            room=room,
            noise=noise,
            drr_db=job.config.drr,
            other_noise=other_noise,
        )
        write_wav(job.folder / wav_name(name), sound, rate_hz)
        yield name, Copy(utt, speaker, treatment, gain_db, len(sound) / rate_hz)


def copy_treatments(job: Job, utt: str) -> list[tuple[str, int, Treatment]]:
    """List (name, number, Treatment) of all copies of an utterance."""
    found = [
        (f"{utt}{treatment.suffix}-{number}", number, treatment)
        for number, treatment in perturbation.treatments(job.config, job.lists, utt)
    ]
    return [*found, (utt, 0, Treatment())] if job.keep_original else found


def wav_name(utt: str) -> str:
    return file_name(utt) + ".wav"


def replace_folder(wavs: Path, folder: Path) -> None:
    """Put the recordings of `folder` in the place of an earlier run's."""
    try:
        # The whole folder: file by file over older ones takes a hundred times as long.
        if wavs.exists():
            os.replace(wavs, folder.with_name("earlier"))
        os.replace(folder, wavs)
    except OSError as error:
        raise DataError(f"{wavs}: cannot be written: {error.strerror}") from None


def publish(data: DataDir, copies: Mapping[str, Copy], folder: Path, out: Path) -> None:
    """Move the recordings from `folder` to `out`/wavs, an earlier run's out of it; write the tables."""
    check_alike(copies, lambda utt: folder / wav_name(utt))
    wavs = absolute(out / "wavs")
    if isinstance(wavs, RemotePath):
        for path in sorted(folder.iterdir()):
            (wavs / path.name).write_file(path)
        for path in list(wavs.glob("*.wav")):  # an earlier run's
            if not (folder / path.name).exists():
                path.unlink()
    else:
        replace_folder(wavs, folder)
    wav = {utt: str(wavs / wav_name(utt)) for utt in copies}
    text = {utt: data.text[copy.original] for utt, copy in copies.items() if copy.original in data.text}
    utt2spk = {utt: copy.speaker for utt, copy in copies.items()}
    for name in ("utt2dur", ORIGINALS):  # of an earlier run, quietly
        remove(out / name)
    write_data_dir(DataDir(data.path, wav=wav, text=text, utt2spk=utt2spk), out)
    durations = {utt: f"{copy.duration_s:.3f}".rstrip("0").rstrip(".") for utt, copy in copies.items()}
    write_table(out / "utt2dur", durations)
    # the directory may hold copies itself
    originals = read_table(data.path / ORIGINALS) if (data.path / ORIGINALS).exists() else {}
    write_table(
        out / ORIGINALS, {utt: originals.get(copy.original, copy.original) for utt, copy in copies.items()}
    )
    with atomic_write(out / RECORD) as stream:
        stream.write("\t".join(COLUMNS) + "\n")
        for utt in c_sorted(copies):
            stream.write("\t".join((utt, *record(copies[utt]))) + "\n")


def record(copy: Copy) -> tuple[str, ...]:
    """The fields of one line of perturb.tsv after the utterance."""
    done = copy.treatment
    snr = "" if done.snr is None else f"{done.snr:g}"
    numbers = (done.reverb, done.speed, done.tempo, done.warp, round(copy.gain_db, 4) + 0.0)
    return copy.original, done.noise, snr, *(f"{value:g}" for value in numbers)
