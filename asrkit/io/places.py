"""Where a file lies: a path of this system, or a URL of a store far away (`s3://bucket/key`) that fsspec reads and writes.

Local paths are pathlib's, as everywhere; what is no URL never comes here. A store has no folders, no locks and no renames:
an object appears whole when it was put whole, and who puts last wins.
"""

import contextlib
import errno
import fnmatch
import hashlib
import io
import os
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import IO, Any

from asrkit.config import URL, PathLike, is_url
from asrkit.distribution import missing_extra
from asrkit.errors import DataError, StoreError

LOCAL = ("file", "local")
FOLLOWING = ("reference",)  # file systems that open what is written in a file
AHEAD = 1 << 20  # bytes of an object that are asked for at once
SMALL = 64 << 20  # bytes that are put from memory
PAUSES_S = (0.2, 0.8)  # before what failed is tried once more


def as_path(path: PathLike) -> Path:
    """Give the Path of a path or of a `file://` URL, and a RemotePath, which does what asrkit needs of one, of other URLs.

    Raises
    ------
    DataError
        It is a URL that can't be followed.
    """
    match = URL.match(os.fspath(path)) if is_url(path) else None
    if match is None:
        return Path(path)
    scheme, rest = match[1].lower(), match[2]
    if scheme in LOCAL:
        rest = rest.removeprefix("localhost")
        if not rest.startswith("/"):
            raise DataError(f"{match[0]}: names a machine, or a path that is not absolute (write file:///…)")
        return Path(rest[1:] if os.name == "nt" else rest)
    if scheme in FOLLOWING or "::" in rest:
        raise DataError(f"{match[0]}: a URL that leads on to others is not followed (name the file itself)")
    return RemotePath(match[0])  # type: ignore[return-value]


def local(path: PathLike, what: str) -> Path:
    """Give the Path of what must be on this machine; a DataError says so of a URL."""
    found = as_path(path)
    if isinstance(found, RemotePath):
        raise DataError(f"{found}: {what} must be on this machine (copy it here, or name a local folder)")
    return found


def exists(path: PathLike) -> bool:
    """Whether something is there, without an error for names that are too long."""
    return path.exists() if isinstance(path, RemotePath) else os.path.exists(path)


def is_file(path: PathLike) -> bool:
    """Whether a file is there, likewise."""
    return path.is_file() if isinstance(path, RemotePath) else os.path.isfile(path)


def present(folder: Path, names: Iterable[str]) -> set[str]:
    """Which of some names are in a folder; none of a folder that is not there. A store is asked once."""
    if not isinstance(folder, RemotePath):
        return {name for name in names if (folder / name).exists()}
    with contextlib.suppress(FileNotFoundError):
        return {one.name for one in folder.iterdir()} & set(names)
    return set()


def absolute(path: PathLike) -> Path:
    """Give the place with the path from the root; links are not followed."""
    found = as_path(path)
    return found if isinstance(found, RemotePath) else Path(os.path.abspath(found))


def real(path: PathLike) -> str:
    """Say where something lies, links followed."""
    return str(path) if isinstance(path, RemotePath) else os.path.realpath(path)


def open_place(path: PathLike) -> IO[bytes]:
    """Open a file for reading in binary mode."""
    found = as_path(path) if is_url(path) else path
    return found.open() if isinstance(found, RemotePath) else open(found, "rb")


def size_of(stream: IO[bytes]) -> int:
    """Bytes of an open file, of memory or far away."""
    if isinstance(stream, io.BytesIO):
        return stream.getbuffer().nbytes
    raw = getattr(stream, "raw", None)
    return raw.size if isinstance(raw, _Ranges) else os.fstat(stream.fileno()).st_size


class RemotePath(os.PathLike):
    """A URL with those members of pathlib.Path that asrkit uses. It is an object, or the folder that keys below it make.

    A missing object is a FileNotFoundError; a store that refuses or does not answer is a StoreError, once what may pass
    has been tried again.
    """

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        scheme, rest = url.split("://", 1)
        self._url = f"{scheme.lower()}://{rest.rstrip('/')}"

    def __fspath__(self) -> str:
        return self._url

    __str__ = __fspath__

    def __repr__(self) -> str:
        return f"RemotePath({self._url!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and self._url == other._url

    def __hash__(self) -> int:
        return hash(self._url)

    def __lt__(self, other: "RemotePath") -> bool:
        return self._url < other._url

    # What it is called

    @property
    def _split(self) -> tuple[str, str]:
        scheme, _, rest = self._url.partition("://")
        return f"{scheme}://", rest

    @property
    def _pure(self) -> PurePosixPath:
        return PurePosixPath(self._split[1])

    @property
    def name(self) -> str:
        return self._pure.name

    @property
    def stem(self) -> str:
        return self._pure.stem

    @property
    def suffix(self) -> str:
        return self._pure.suffix

    @property
    def parent(self) -> "RemotePath":
        scheme, rest = self._split
        folder, _, _ = rest.rpartition("/")
        return RemotePath(scheme + folder) if folder else self

    def __truediv__(self, name: PathLike) -> "RemotePath":
        scheme, rest = self._split
        below = Path(name).as_posix()
        joined = f"{rest}/{below}"
        if {".", ".."} & set(below.split("/")):
            joined = posixpath.normpath(joined)
        return RemotePath(scheme + joined)

    def with_name(self, name: str) -> "RemotePath":
        return self.parent / name

    def with_suffix(self, suffix: str) -> "RemotePath":
        return self.with_name(self._pure.with_suffix(suffix).name)

    def relative_to(self, folder: "RemotePath") -> PurePosixPath:
        return self._pure.relative_to(folder._pure)

    def as_posix(self) -> str:
        return self._url

    def is_absolute(self) -> bool:
        return True

    def resolve(self) -> "RemotePath":
        return self

    absolute = resolve

    # What is there

    def _info(self) -> dict[str, Any] | None:
        def ask(store: Any, path: str) -> Any:
            store.invalidate_cache()  # another process may have written since
            return store.info(path)

        with contextlib.suppress(FileNotFoundError):
            return _ask(self._url, "looked at", ask)
        return None

    def exists(self) -> bool:
        return self._info() is not None

    def is_file(self) -> bool:
        return (self._info() or {}).get("type") == "file"

    def is_dir(self) -> bool:
        return (self._info() or {}).get("type") == "directory"

    def stat(self) -> SimpleNamespace:
        """Size, and for the date a number that is another one when the object has been written anew."""
        about = self._info()
        if about is None:
            raise _missing(self._url)
        version = [
            str(about.get(key)) for key in ("ETag", "etag", "md5Hash", "LastModified", "mtime", "created")
        ]
        digest = hashlib.sha256(" ".join(version).encode()).digest()
        return SimpleNamespace(st_size=about["size"], st_mtime_ns=int.from_bytes(digest[:7], "little"))

    def iterdir(self) -> Iterator["RemotePath"]:
        def ask(store: Any, path: str) -> Any:
            store.invalidate_cache()
            return store.ls(path, detail=False)

        names = {found.rstrip("/").rpartition("/")[2] for found in _ask(self._url, "listed", ask)}
        yield from (self / name for name in sorted(names - {"", self.name}))

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """Go through what lies below and is called so, as `*.ark` or `decode*/wer_*`; nothing where nothing is there."""
        signs = pattern.split("/")
        with contextlib.suppress(FileNotFoundError):
            for one in self.iterdir() if len(signs) == 1 else self.rglob("*"):
                names = one.relative_to(self).parts
                if len(names) == len(signs) and all(map(fnmatch.fnmatchcase, names, signs)):
                    yield one

    def rglob(self, pattern: str) -> Iterator["RemotePath"]:
        """Go through all objects below, at any depth, that are called so."""

        def ask(store: Any, path: str) -> list[str]:
            store.invalidate_cache()
            return [found[len(path.rstrip("/")) + 1 :] for found in store.find(path)]

        for below in sorted(_ask(self._url, "listed", ask)):
            if fnmatch.fnmatchcase(PurePosixPath(below).name, pattern):
                yield self / below

    # What it holds

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Open for reading; of a large object ranges are asked for as they are read."""
        about = self._info()
        if about is None or about["type"] != "file":
            raise _missing(self._url)
        if about["size"] <= AHEAD:
            return io.BytesIO(self.read_bytes())
        return io.BufferedReader(_Ranges(self._url, about["size"]), AHEAD)

    def read_bytes(self) -> bytes:
        return _ask(self._url, "read", lambda store, path: store.cat_file(path))

    def read_text(self, encoding: str = "utf-8") -> str:
        return io.TextIOWrapper(io.BytesIO(self.read_bytes()), encoding).read()

    def write_bytes(self, content: bytes) -> None:
        _ask(self._url, "written", lambda store, path: store.pipe_file(path, content))

    def write_file(self, path: PathLike) -> None:
        """Put a local file there, whole."""
        if os.path.getsize(path) <= SMALL:
            self.write_bytes(Path(path).read_bytes())
        else:
            _ask(self._url, "written", lambda store, key: store.put_file(os.fspath(path), key))

    @contextlib.contextmanager
    def writing(self, mode: str) -> Iterator[IO[Any]]:
        """Open a temporary file here that is put there when the block ends well."""
        import tempfile  # late, as below: who only reads needs none

        from asrkit.io.temporaries import make_temporary

        encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
        try:
            handle, temporary = make_temporary(tempfile.gettempdir(), self.name)
            try:
                with os.fdopen(handle, mode, encoding=encoding, newline=newline) as stream:
                    yield stream
                    stream.flush()
                    self.write_file(temporary)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
        except FileNotFoundError as error:
            if error.filename != self._url:
                raise
            raise StoreError(
                f"{self}: cannot be written: no such bucket (make it, or name another)"
            ) from None
        except OSError as error:
            if error.filename is not None and error.errno != errno.ENOSPC:
                raise
            raise DataError(
                f"{self}: cannot be written: {error.strerror} (in {tempfile.gettempdir()}, where it is made)"
            ) from None

    def unlink(self, missing_ok: bool = False) -> None:
        if missing_ok:
            with contextlib.suppress(FileNotFoundError):
                self.unlink()
        else:
            _ask(self._url, "removed", lambda store, path: store.rm_file(path))

    def replace(self, target: "RemotePath") -> "RemotePath":
        """Move the object: it is copied, and then removed."""
        target.write_bytes(self.read_bytes())
        self.unlink()
        return target

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: folders are made by what is in them."""


class _Ranges(io.RawIOBase):
    """An object whose bytes are asked for where they are read."""

    def __init__(self, url: str, size: int) -> None:
        self._url, self.size, self._at = url, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        start, end = self._at, min(self._at + len(buffer), self.size)
        if end <= start:
            return 0

        def ask(store: Any, path: str) -> bytes:
            content = store.cat_file(path, start=start, end=end)
            if len(content) != end - start:
                raise EOFError(f"{len(content)} bytes came where {end - start} were asked for")
            return content

        buffer[: end - start] = _ask(self._url, "read", ask)
        self._at = end
        return end - start


def _missing(url: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)


def _ask(url: str, what: str, call: Callable[[Any, str], Any]) -> Any:
    """Call with the file system and the path in it, and once more where what went wrong may pass."""
    store, path = _store(url)
    for pause_s in (*PAUSES_S, None):
        try:
            return call(store, path)
        except FileNotFoundError:
            raise _missing(url) from None
        except PermissionError as error:
            raise StoreError(
                f"{url}: cannot be {what}: no permission: {_why(error)} (correct the credentials, which fsspec finds, "
                "or the rights to this bucket)"
            ) from None
        except NotImplementedError:
            raise StoreError(f"{url}: cannot be {what}: the store has no such thing (name another)") from None
        except Exception as error:
            if pause_s is None:
                raise StoreError(
                    f"{url}: cannot be {what}: {_why(error)} (once the store answers, the same command goes on)"
                ) from None
            time.sleep(pause_s)
    raise AssertionError  # the last round returns or raises


def _store(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    scheme = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations, registry
    except ImportError as error:
        raise StoreError(str(missing_extra("remote", f"{url} needs fsspec", error))) from None
    known = known_implementations.get(scheme, {})
    try:
        return url_to_fs(url)
    except ImportError:
        package = known.get("class", "").partition(".")[0]
        remedy = known.get("err", "") if package in ("", "fsspec") else f"pip install {package}"
        raise StoreError(f"{url}: what opens {scheme}:// is not installed ({remedy})") from None
    except Exception as error:
        if not known and scheme not in registry:
            raise StoreError(
                f"{url}: fsspec knows no {scheme}:// (a local path may be written ./{url})"
            ) from None
        raise StoreError(
            f"{url}: cannot be opened: {_why(error)} (correct the URL or fsspec's settings)"
        ) from None


def _why(error: BaseException) -> str:
    """The first line of what went wrong, or its kind."""
    return (next(iter(str(error).splitlines()), "") or type(error).__name__)[:200]
