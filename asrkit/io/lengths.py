"""What the headers of sound files announce, and what to give a decoder where that is unknown.

A length in a header is a claim: a program that writes into a pipe cannot come back to correct it, and a copy may
be cut. libsndfile takes most files that are too short as they are, and some signs of "unknown" for no sound at all.
So the containers that it reads are looked at here first, but for FLAC, whose decoder finds what is missing.

Where no length is announced a cut cannot be told from a shorter recording: in PAF, IRCAM and PVF, in XI as libsndfile
writes it, in MP3 without a frame named Xing or Info (mpg123 passes over damage there, too), between two frames of a
FLAC that came from a pipe, and in whatever else says that its length is unknown.
"""

import re
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from asrkit.errors import DataError

CUT = "of the announced sound are missing (copy it again)"


class Claim(NamedTuple):
    """Where the sound of a file begins, and how long the header says that it is."""

    start: int
    count: int  # in units
    unit: int = 1  # bytes
    overhead: int = 0  # units that are counted, but are no sound
    field: int | None = None  # where the count stands; None where libsndfile does not look at it
    pack: Callable[[int], bytes] | None = None  # the field for a count
    followed: bool = False  # by chunks that reach to the end of the file
    alone: bool = False  # libsndfile would take what follows for sound
    rounded: bool = False  # libsndfile hears the end right only if told what `pack` makes of the count

    def unknown(self, present):
        """Say whether the count means "to the end of the file", which has so many units.

        ffmpeg, sox, arecord, mplayer and others write 0, -1, or 2^31 or 2^32 less a little, so that the header
        still fits in or the last sample is whole.
        """
        if self.overhead < self.count < 2**31 - 2**20:
            return False
        if 0 <= self.count <= self.overhead:
            return self.overhead < present and not self.followed
        return not 0 <= self.count < 2**62 or any(abs(self.count - 2**bits) <= 2**20 for bits in (31, 32))


class Chunks(NamedTuple):
    """A container of chunks, each with a name and a size before it."""

    first: int  # where the first chunk begins
    sound: bytes  # how the name of the sound begins
    size: struct.Struct
    name: int = 4  # bytes
    head: int = 8  # bytes of a chunk that its size does not count
    overhead: int = 0  # bytes that it counts, but are no sound
    aligned: int = 1
    alone: bool = False

    def __call__(self, data):
        """Find the chunk of the sound."""
        place = self.first
        while not data.startswith(self.sound, place):
            place = self._next(data, place)
        field, start = place + self.name, place + self.head
        count = self.size.unpack_from(data, field)[0]
        empty = 0 <= count <= self.overhead and self._fill(data, self._next(data, place))
        return Claim(start, count, 1, self.overhead, field, self.size.pack, empty, self.alone)

    def _next(self, data, place):
        """Say where the next chunk begins."""
        size = self.size.unpack_from(data, place + self.name)[0]
        return place + self.head + max(size, self.name + self.size.size - self.head) + -size % self.aligned

    def _fill(self, data, place):
        """Say whether chunks with names of letters fill the file from here."""
        while place + self.name + self.size.size <= len(data):
            name = data[place : place + 4]
            if not (name.isascii() and name.decode().isprintable()):
                return False
            place = self._next(data, place)
        return -self.aligned < len(data) - place < max(2, self.aligned)  # the last may lack its padding


WAV = Chunks(12, b"data", struct.Struct("<I"), aligned=2)
RIFX = WAV._replace(size=struct.Struct(">I"))
AIFF = RIFX._replace(sound=b"SSND", overhead=8)
SVX = RIFX._replace(sound=b"BODY", alone=True)
W64 = Chunks(40, b"data", struct.Struct("<q"), name=16, head=0, overhead=24, aligned=8, alone=True)
CAF = Chunks(8, b"data", struct.Struct(">q"), head=12, overhead=4)


def _wav(data):
    claim = WAV(data)
    if data[20:22] == b"\x31\0":  # GSM: of an odd size libsndfile makes one block too many
        return claim._replace(pack=lambda size: WAV.size.pack(size & ~1), rounded=True)
    return claim


def _without_list(data, start):
    """Say where the sound from `start` to the end of a WAVE file ends if its last chunk is one of texts (LIST, INFO)."""
    place = data.rfind(b"LIST", start)
    if place < 0 or data[place + 8 : place + 12] != b"INFO":
        return len(data)
    end = place + 8 + int.from_bytes(data[place + 4 : place + 8], "little")
    return place if end <= len(data) <= end + 1 else len(data)


def _rf64(data):
    claim = WAV(data)
    if claim.count == 0xFFFFFFFF and data[12:16] == b"ds64":
        size = struct.unpack_from("<q", data, 28)[0]
        return claim._replace(count=size, field=28, pack=struct.Struct("<q").pack)
    return claim


def _au(data):
    order = ">" if data[:1] == b"." else "<"
    start, size = struct.unpack_from(f"{order}II", data, 4)
    return Claim(start, size, field=8, pack=struct.Struct(f"{order}I").pack)


def _nist(data):
    size = re.match(rb"NIST_1A\s+(\d{1,9})\s", data)
    said = dict(re.findall(rb"^(\w+) -i (\d{1,18})\s*$", data[: int(size[1])] if size else b"", re.MULTILINE))
    if b"sample_count" not in said:
        return None
    width = int(said.get(b"channel_count", 1)) * int(said.get(b"sample_n_bytes", 1))
    return Claim(int(size[1]), int(said[b"sample_count"]), width)


def _voc(data):
    """Find the first block of sound; libsndfile takes the heads of further ones for samples."""
    place = struct.unpack_from("<H", data, 20)[0]
    while data[place] not in (0, 1, 9):
        place += 4 + int.from_bytes(data[place + 1 : place + 4], "little")
    size = int.from_bytes(data[place + 1 : place + 4], "little")
    if data[place + 4 + size : place + 5 + size] in (b"\1", b"\2", b"\3", b"\x09"):
        raise ValueError("its sound stands in several blocks")
    return Claim(place + 4, -1 if size in (0, 0xFFFFFF) else size)


def _mat4(data):
    order = ">" if data[2] else "<"
    record = struct.Struct(f"{order}5I")  # type, rows, columns, imaginary, length of the name
    second = record.size + record.unpack_from(data)[4] + 8
    kind, channels, count, _, name = record.unpack_from(data, second)
    width = (8, 4, 4, 2, 2, 1)[kind // 10 % 10]
    start, pack = second + record.size + name, struct.Struct(f"{order}I").pack
    return Claim(start, count, channels * width, field=second + 8, pack=pack)


def _mat5(data):
    element = struct.Struct("<II" if data[126:128] == b"IM" else ">II")  # type, size
    place = 128 + element.size + element.unpack_from(data, 128)[1] + element.size  # in the second matrix
    for _ in ("flags", "dimensions", "name"):
        kind, size = element.unpack_from(data, place)
        place += element.size + (0 if kind >> 16 else size + -size % 8)  # a short one stands in its head
    return Claim(place + element.size, element.unpack_from(data, place)[1])


def _avr(data):
    mono, bits = struct.unpack_from(">HH", data, 12)
    return Claim(128, struct.unpack_from(">I", data, 26)[0], (1 + (mono & 1)) * (bits // 8))


def _sds(data):
    """Packets of 127 bytes: F0 7E, channel, 02, number, 120 bytes of samples with 7 bits each, checksum, F7."""
    if [set(data[21 + at :: 127]) for at in (0, 1, 3)] != [{0xF0}, {0x7E}, {2}]:
        raise IndexError("no packet")  # libsndfile would print it, on the standard output
    samples = 120 // max(1, -(-data[6] // 7))
    count = data[10] | data[11] << 7 | data[12] << 14
    return Claim(
        21, -1 if count == 2**21 - 1 else -(-count // samples), 127, field=10, rounded=True,  # else the last is zero
        pack=lambda packets: bytes(packets * samples >> shift & 127 for shift in (0, 7, 14)),
    )  # fmt: skip


def _fixed(start, place, order="<I", unit=1):
    field = struct.Struct(order)
    return lambda data: Claim(start, field.unpack_from(data, place)[0], unit, field=place, pack=field.pack)


# where the magic stands, the magic, who finds the sound
CONTAINERS = [
    (0, b"RIFF", _wav), (0, b"RIFX", RIFX), (0, b"RF64", _rf64), (0, b"riff", W64), (0, b"caff", CAF),
    (8, b"AIF", AIFF), (8, b"8SVX", SVX), (8, b"16SV", SVX), (0, b".snd", _au), (0, b"dns.", _au),
    (0, b"NIST_1A", _nist), (0, b"Creative Voice File", _voc), (0, b"2BIT", _avr), (0, b"MATLAB 5", _mat5),
    (0, b"\0\0\0\0\1\0\0\0\1\0\0\0", _mat4), (0, b"\0\0\3\xe8\0\0\0\1\0\0\0\1", _mat4), (0, b"\xf0\x7e", _sds),
    (0, b"Extended Instrument: ", _fixed(338, 298)), (0, b"ALawSoundFile**", _fixed(32, 18, ">I")),
    (8, b"\0\2\0\0", _fixed(12, 0, ">I", 2)),  # HTK
    (0, b"\1\4", lambda data: _fixed(42, 30, unit=2 + 2 * data[21])(data)),  # MPC2K
]  # fmt: skip


def to_decode(data, name):
    """Check that a sound file has all that it announces.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        What errors call it.

    Returns
    -------
    bytes or None
        What a decoder should be given instead: the same with its true length. None: the file as it is.

    Raises
    ------
    DataError
        Bytes of the announced sound are missing.
    """
    if data[:4] == b"OggS":
        return _check_ogg(data, name)
    if data[:3] == b"ID3":  # libsndfile goes on behind it, but loses as many bytes at the end
        size = sum((seven & 127) << shift for seven, shift in zip(data[6:10], (21, 14, 7, 0)))
        body = data[10 + size :].lstrip(b"\0")
        return to_decode(body, name) or body
    find = next((find for place, magic, find in CONTAINERS if data.startswith(magic, place)), None)
    if not find:
        return _of_mp3(data, name) if data[:1] == b"\xff" and data[1:2] >= b"\xe0" else None
    try:
        claim = find(data)
    except (struct.error, IndexError):
        why = f"cut off or damaged in its header, {len(data)} bytes"
        raise DataError(f"{name}: {why} (copy it again)") from None
    if claim is None:
        return None
    unit = max(1, claim.unit)
    present = max(0, len(data) - claim.start) // unit
    unknown = claim.unknown(present)
    end = claim.start + claim.count * unit
    if not unknown and end > len(data):
        raise DataError(f"{name}: cut off, {end - len(data)} bytes {CUT}")
    if unknown and find is _wav:
        present = _without_list(data, claim.start) - claim.start
    if unknown or claim.rounded:
        try:
            field = claim.pack(present if unknown else claim.count) if claim.pack else b""
        except struct.error:  # 4 GB and more: too long for the field
            field = b""
        return data[: claim.field] + field + data[claim.field + len(field) :] if field else None
    return data[:end] if claim.alone and end < len(data) else None


def _of_mp3(data, name):
    """Give an MP3 file a first frame that says how long it is, or that nobody knows.

    Without one libsndfile takes an estimate from the first frames, and ends there. The head of a frame: ISO 11172-3,
    section 2.4.1.3.
    """
    if len(data) < 4:
        return None
    version, layer, rate = data[1] >> 3 & 3, data[1] >> 1 & 3, data[2] >> 2 & 3
    if layer != 1 or version == 1 or rate == 3:  # layer III only
        return None
    first, mono = version == 3, data[3] >> 6 == 3  # MPEG 1
    side = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}[first, mono]
    place = 4 + side + 2 * (not data[1] & 1)  # behind a checksum
    if data[place : place + 4] not in (b"Xing", b"Info") or len(data) < place + 16:
        rate_hz = (44100, 48000, 32000)[rate] >> (2, 0, 1, 0)[version]
        size = 144 * 128000 // rate_hz if first else 72 * 80000 // rate_hz
        head = bytes([0xFF, data[1] | 1, 0x90 | rate << 2, data[3]])  # 128 or 80 kbit/s
        return (head + bytes(side) + b"Xing\0\0\0\1" + b"\xff" * 4).ljust(size, b"\0") + data
    flags, frames, size = struct.unpack_from(">3I", data, place + 4)
    if flags & 3 == 3 and not Claim(0, size).unknown(len(data)):
        if size > len(data):
            raise DataError(f"{name}: cut off, {size - len(data)} bytes {CUT}")
        if data[size : size + 1] == b"\xff" and data[size + 1 : size + 2] >= b"\xe0":
            frames = 0  # another recording was appended
    if flags & 1 and frames:
        return None
    return data[: place + 4] + struct.pack(">2I", flags | 1, 0xFFFFFFFF) + data[place + 12 :]


REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _check_ogg(data, name):
    """Check that all pages of an Ogg file are there, as they were written (RFC 3533, section 6)."""
    place, ended = 0, False
    while data.startswith(b"OggS", place):
        count = data[place + 26] if place + 26 < len(data) else 0
        end = place + 27 + count + sum(data[place + 27 : place + 27 + count])
        if end > len(data):
            raise DataError(f"{name}: cut off, {end - len(data)} bytes {CUT}")
        page = data[place:end].translate(REVERSED)  # the checksum is zlib's, but for the order of the bits
        checksum = zlib.crc32(page[:22] + bytes(4) + page[26:], 0xFFFFFFFF) ^ 0xFFFFFFFF
        if checksum != int.from_bytes(page[22:26], "big"):
            why = f"damaged, the checksum of the page at byte {place} is wrong"
            raise DataError(f"{name}: {why} (copy it again)")
        if ended and data[place + 5] & 2:
            raise DataError(f"{name}: a second recording begins at byte {place} (cut it in two)")
        ended = bool(data[place + 5] & 4)
        place = end
    if not ended:
        raise DataError(f"{name}: cut off after {place} bytes, its last page is missing (copy it again)")
