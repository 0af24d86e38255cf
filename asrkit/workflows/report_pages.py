"""Write the pages of a report: as many errors as fit on each, with what they sound and look like."""

import base64
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.features.spectrogram import spectrogram
from asrkit.io.audio import flac_bytes
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.features import ReadConfig
from asrkit.io.files import atomic_write, c_sorted
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.error_report import Case, Errors, Heard, Neighbour
from asrkit.workflows.error_texts import hearing_json, neighbour_json
from asrkit.workflows.explain import spectrogram_json, waveform_json
from asrkit.workflows.sounds import read_sounds, warn_of_unread

LONGEST_S = 30.0  # of a recording that is played
HEARD_NEIGHBOURS = 3  # of an error that are played
MOST_SUSPECTS = 200  # that are listed on the page
ROW = 1200  # bytes of an error in the table, about, for each system


def page_name(number: int) -> str:
    return "report.html" if number == 1 else f"report-{number}.html"


def write_pages(
    out: Path,
    data: DataDir,
    errors: Errors,
    vocabulary: Vocabulary,
    title: str,
    sections: list[tuple[str, str, str]],
    most_errors: int,
    megabytes: float,
    read: ReadConfig,
) -> Iterator[str]:
    """Write the pages, one after the other, each with the errors that fit on it, and yield their names."""
    from asrkit.plots import report_page as page

    names = [own.name for own in errors.systems]
    room, speakers = (
        megabytes * 1e6,
        c_sorted({u.speaker for own in errors.systems for u in own.errors.utts.values()}),
    )
    shelf, left = Shelf(data, vocabulary, read), list(errors.cases)
    for number in itertools.count(1):
        some = left[:most_errors]
        shown: dict[str, Any] = {}
        sounds: dict[str, str] = {}
        size = sum(len(html) for *_, html in sections) if number == 1 else 0
        shelf.fetch(errors.cases[utt] for utt in some)
        for utt in some:
            one = shelf.case(errors.cases[utt])
            heard = {
                key: sound for key, sound in shelf.sounds_of(errors.cases[utt]).items() if key not in sounds
            }
            size += (
                len(json.dumps(one, ensure_ascii=False)) + sum(map(len, heard.values())) + ROW * len(names)
            )
            if size > room and shown:
                break
            shown[utt] = one
            sounds.update(heard)
        left = left[len(shown) :]
        utts: list[Any] = []
        if number == 1:
            utts = rows_of(errors.systems, speakers)
            sounds.update(shelf.further(least_sure(errors.systems), room - size - 100 * len(utts), sounds))
        links = page_links(number, bool(left))
        listed = [
            [s.utt, errors.cases[s.utt].speaker, s.said, s.heard, f"{s.p:.3f}", _nearest(errors.cases[s.utt])]
            for s in errors.suspects[:MOST_SUSPECTS]
        ]
        own = page.errors_section(shown, names, links)
        parts: list[tuple[str, str, str]] = [("errors", "Errors", own)]
        if number == 1:
            doubtful = page.suspects_section(listed, len(errors.suspects))
            parts = [sections[0], *parts, ("suspects", "Probably mislabelled", doubtful), *sections[1:]]
        heading = title or "Errors of " + ", ".join(names)
        html = page.report_document(
            heading if number == 1 else f"{heading}, page {number}",
            parts,
            {"cases": shown, "utts": utts, "speakers": speakers, "systems": names},
            sounds,
        )
        with atomic_write(out / page_name(number)) as stream:
            stream.write(html)
        yield page_name(number)
        if not left:
            warn_of_unread(shelf.unread)
            return


def _nearest(case: Case) -> str:
    return ", ".join(f"{near.word} ({near.utt})" for near in case.neighbours[:2])


def page_links(number: int, more: bool) -> str:
    """Links to the pages before and behind."""
    links = []
    if number > 1:
        links.append(f'<a href="{page_name(number - 1)}">page {number - 1}</a>')
    if more:
        links.append(f'<a rel="next" href="{page_name(number + 1)}">further errors: page {number + 1}</a>')
    return f"<p>{' · '.join(links)}</p>" if links else ""


def rows_of(systems: Sequence[Heard], speakers: Sequence[str]) -> list[Any]:
    """Every utterance that all have: [utt, place of the speaker, said, [heard by each]]."""
    place = {speaker: i for i, speaker in enumerate(speakers)}
    utts = {utt: scored for own in systems for utt, scored in own.errors.utts.items()}
    heard = [{utt: scored.hyp for utt, scored in own.errors.utts.items()} for own in systems]
    return [
        [utt, place[utts[utt].speaker], utts[utt].ref, [own.get(utt) for own in heard]]
        for utt in c_sorted(utts)
    ]


def least_sure(systems: Sequence[Heard]) -> list[str]:
    """Utterances, those first of which the systems were least sure."""
    utts = {utt for own in systems for utt in own.errors.utts}
    return sorted(
        utts, key=lambda utt: (min((own.p.get(utt, 1.0) for own in systems), default=1.0), utt.encode())
    )


class Shelf:
    """Recordings and pictures of what a page shows."""

    def __init__(self, data: DataDir, vocabulary: Vocabulary, read: ReadConfig) -> None:
        kind = vocabulary.frontend.kind
        self._data, self._read = data, read
        self._most_hz = kind.rate_hz if kind.hears else None
        self.unread: dict[str, str] = {}
        self._trains: dict[Path, DataDir] = {}
        self._sounds: dict[str, str] = {}
        self._pictures: dict[str, tuple[float, dict[str, Any]]] = {}

    def _key(self, near: Neighbour) -> str:
        """By what a recording of a training is found; that of the data's own where it is the same."""
        train = self._trains.get(near.data)
        if train is None:
            train = self._trains[near.data] = read_data_dir(near.data)
        same = (
            near.utt in self._data.wav
            and train.wav.get(near.utt) == self._data.wav[near.utt]
            and not train.segments
        )
        return near.utt if same else f"{near.utt} @{list(self._trains).index(near.data)}"

    def fetch(self, cases: Iterable[Case]) -> None:
        """Read what these cases sound like, and draw them; what was fetched before goes."""
        some = list(cases)
        self._sounds, self._pictures = {}, {}
        own = {case.utt for case in some}
        beside: dict[Path, dict[str, str]] = {}
        for case in some:
            for near in case.neighbours[:HEARD_NEIGHBOURS]:
                key = self._key(near)
                if key == near.utt:
                    own.add(key)
                else:
                    beside.setdefault(near.data, {})[near.utt] = key
        for utt, samples, rate_hz in self._sounds_of(self._data, own):
            self._sounds[utt] = _encoded(samples, rate_hz)
            picture = {
                "waveform": waveform_json(samples),
                "spectrogram": spectrogram_json(spectrogram(samples, rate_hz)),
            }
            self._pictures[utt] = len(samples) / rate_hz, picture
        for path, keys in beside.items():
            for utt, samples, rate_hz in self._sounds_of(self._trains[path], keys):
                self._sounds[keys[utt]] = _encoded(samples, rate_hz)

    def _sounds_of(self, data: DataDir, utts: Iterable[str]) -> Iterator[tuple[str, np.ndarray, int]]:
        for utt, samples, rate_hz in read_sounds(
            data, set(utts), self._most_hz, allow_pipes=self._read.allow_pipes, unread=self.unread
        ):
            if len(samples):
                yield utt, samples[: round(LONGEST_S * rate_hz)], rate_hz

    def case(self, case: Case) -> dict[str, Any]:
        """What the page is told of a case."""
        frames = max((len(own.contrast.difference) for own in case.by.values() if own.contrast), default=1)
        lasts_s, picture = self._pictures.get(case.utt, (case.start_s + frames * case.frame_shift_s, {}))
        neighbours = [
            {**neighbour_json(near), "sound": self._key(near) if place < HEARD_NEIGHBOURS else ""}
            for place, near in enumerate(case.neighbours)
        ]
        return {
            "speaker": case.speaker,
            "said": case.said,
            "duration_s": round(lasts_s, 4),
            "start_s": round(case.start_s, 4),
            "frame_shift_s": case.frame_shift_s,
            "picture": picture,
            "neighbours": neighbours,
            "systems": {name: hearing_json(case, own) for name, own in case.by.items()},
        }

    def sounds_of(self, case: Case) -> dict[str, str]:
        """The recordings of a case, FLAC in base64."""
        keys = [case.utt, *(self._key(near) for near in case.neighbours[:HEARD_NEIGHBOURS])]
        return {key: self._sounds[key] for key in keys if key in self._sounds}

    def further(self, utts: Sequence[str], room: float, there: Mapping[str, str]) -> dict[str, str]:
        """Recordings that fit into so many bytes beside those that are there, in this order."""
        found: dict[str, str] = {}
        lacking = [utt for utt in utts if utt not in there]
        for start in range(0, len(lacking), 500):
            if room <= 0:
                break
            some = {}
            for utt, samples, rate_hz in self._sounds_of(self._data, lacking[start : start + 500]):
                some[utt] = _encoded(samples, rate_hz)
            for utt in lacking[start : start + 500]:
                if utt in some and len(some[utt]) + len(utt) < room:
                    found[utt] = some[utt]
                    room -= len(some[utt]) + len(utt) + 8
        return found


def _encoded(samples: np.ndarray, rate_hz: int) -> str:
    return base64.b64encode(flac_bytes(samples, rate_hz)).decode("ascii")
