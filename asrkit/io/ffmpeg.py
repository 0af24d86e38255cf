"""Recordings whose formats libsndfile does not know (m4a, webm, wma, amr, ...), decoded by the program ffmpeg."""

import os
import re
import shlex
import shutil

from asrkit.errors import DataError

# What a folder of recordings may hold and ffmpeg, not libsndfile, reads.
FFMPEG_SUFFIXES = tuple(
    ".m4a .m4b .aac .mp4 .m4v .mov .3gp .3gpp .3g2 .webm .weba .mka .mkv .wma .asf .wmv .amr .awb .ac3 .eac3 .dts"
    " .ape .wv .tta .mpc .spx .ra .rm .avi .flv".split()
)
# How such files begin: (at which byte, what).
SIGNATURES = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (0, b"\x1aE\xdf\xa3"), (0, b"0&\xb2u\x8ef\xcf\x11"),
    (0, b"#!AMR"), (0, b"\xff\xf0"), (0, b"\xff\xf1"), (0, b"\xff\xf8"), (0, b"\xff\xf9"), (0, b"\x0bw"),
    (0, b"\x7f\xfe\x80\x01"), (0, b"MAC "), (0, b"wvpk"), (0, b"TTA1"), (0, b"MPCK"), (0, b"MP+"), (0, b".RMF"),
    (0, b".ra\xfd"), (0, b"FLV\x01"), (8, b"AVI LIST"), (28, b"Speex   "),
)  # fmt: skip
# How files begin that libsndfile knows, whatever their names say: what it refuses of them is damaged.
OF_LIBSNDFILE = (
    b"RIFF",
    b"RIFX",
    b"RF64",
    b"FORM",
    b"fLaC",
    b"OggS",
    b"caff",
    b".snd",
    b"NIST",
    b"riff",
    b"Crea",
)
# ffmpeg's names of the formats that hold their sound themselves. None of them is a list of other files or addresses
# (hls, concat, dash, sdp, ...), which would make ffmpeg read what nobody named.
FORMATS = "mov,matroska,asf,amr,aac,ac3,eac3,dts,ape,wv,tta,mpc,mpc8,ogg,rm,avi,flv"

ADDRESS = re.compile(r"\[\S+ @ 0x[0-9a-f]+\] ")  # of a part of ffmpeg in memory


def ffmpeg_path():
    """Where the program ffmpeg lies on the PATH, or None."""
    return shutil.which("ffmpeg")


def is_for_ffmpeg(data, name):
    """Whether a file that libsndfile does not know may be one for ffmpeg, by its first bytes, or by its name where
    they are no text (a web page, a playlist).
    """
    if any(data[place : place + len(sign)] == sign for place, sign in SIGNATURES):
        return True
    suffix = os.path.splitext(str(name))[1].lower()
    return suffix in FFMPEG_SUFFIXES and not data.startswith(OF_LIBSNDFILE) and not is_text(data[:512])


def convert(name, data, path=None):
    """Have ffmpeg make a WAVE file of a recording: its first sound, all channels, float32, at its own rate.

    Parameters
    ----------
    name : str
        What errors call it.
    data : bytes
        The recording.
    path : path, optional
        Where it lies; without one it is written to a temporary file, for many formats have their index at the end.

    Returns
    -------
    bytes
        WAVE; lengths of all ones, for ffmpeg can't seek in a pipe.

    Raises
    ------
    DataError
        There is no ffmpeg, or it can't read the whole recording.
    """
    program = ffmpeg_path()
    if program is None:
        wav = os.path.splitext(os.path.basename(str(name)))[0] + ".wav"
        how = shlex.join(["ffmpeg", "-i", str(name), wav])
        raise DataError(
            f"{name}: a format that libsndfile does not read, and there is no ffmpeg on the PATH to read it with "
            f"(install ffmpeg, or convert it where there is one: {how})"
        )
    if path is None:
        import tempfile  # late, as below: most recordings are read without ffmpeg

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "recording")
            with open(path, "wb") as stream:
                stream.write(data)
            return _run(program, path, name)
    return _run(program, path, name)


def _run(program, path, name):
    """A list of arguments, no shell; of protocols files alone, of formats those that name no other file."""
    import subprocess

    command = [
        program, "-nostdin", "-hide_banner", "-v", "error", "-xerror", "-threads", "1",
        "-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS, "-i", f"file:{os.path.abspath(path)}",
        "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1",
    ]  # fmt: skip
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise DataError(f"{program}: ffmpeg does not run: {error.strerror} (install it anew)") from None
    said = [line.strip() for line in ran.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    if ran.returncode or said or not ran.stdout:
        why = ADDRESS.sub("", said[0]) if said else "no sound came out" if not ran.stdout else "it broke off"
        raise DataError(
            f"{name}: ffmpeg cannot read all of it: {why[:200]}, exit status {ran.returncode} (copy or convert it again)"
        )
    return ran.stdout


def is_text(head):
    """Whether bytes hold no control sign but white space, as a web page or a playlist."""
    return not any(byte < 32 and byte not in b"\t\n\v\f\r" for byte in head)
