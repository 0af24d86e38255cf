"""Stores that tests put data in: fsspec's memory, and moto's local S3 server."""

import gc
import importlib.util
import itertools
import warnings
from pathlib import Path

import pytest

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed (pip install -e '.[test]')")
from fsspec.implementations.memory import MemoryFileSystem  # noqa: E402

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_server():
    """The address of a local S3 server of this process."""
    missing = [name for name in ("moto", "s3fs") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the local S3 server needs {' and '.join(missing)} (pip install -e '.[test]')")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_root(s3_server, monkeypatch):
    """The URL of an empty bucket."""
    for variable, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    import s3fs

    name = f"bucket-{next(_numbers)}"
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}"
    with warnings.catch_warnings():  # what it leaves is collected here, not in a later test
        warnings.simplefilter("ignore")
        s3fs.S3FileSystem.clear_instance_cache()
        gc.collect()


@pytest.fixture(params=["memory", "s3"])
def far_root(request):
    """The URL of an empty folder in a store."""
    if request.param == "s3":
        return request.getfixturevalue("s3_root")
    return f"memory://bucket-{next(_numbers)}"


def put_tree(folder, url):
    """Copy all files of a folder to a store."""
    store, root = fsspec.core.url_to_fs(url)
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            store.pipe_file(f"{root}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def read_tree(root):
    """Dict of the path below `root`, here or far away, to the bytes of every file that is not hidden."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if not any(part.startswith(".") for part in name.split("/"))
    }


class Unsteady(MemoryFileSystem):
    """A store that counts what it is asked for, and refuses or does not answer when it is told to."""

    protocol = "unsteady"
    cachable = False
    store: dict = {}
    pseudo_dirs = [""]
    asked: list = []  # (what, path, start, end)
    failing: dict = {}  # how many more questions fail, after how many, and by what

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).replace("unsteady://", "memory://"))

    def _ask(self, what, path, start=None, end=None):
        self.asked.append((what, path, start, end))
        if self.failing["only"] not in path:
            return
        self.failing["after"] -= 1
        if self.failing["after"] < 0 and self.failing["times"] > 0:
            self.failing["times"] -= 1
            raise self.failing["error"]

    def info(self, path, **kwargs):
        self._ask("info", path)
        return super().info(path, **kwargs)

    def cat_file(self, path, start=None, end=None, **kwargs):
        self._ask("cat", path, start, end)
        return super().cat_file(path, start=start, end=end, **kwargs)

    def pipe_file(self, path, value, **kwargs):
        self._ask("pipe", path)
        return super().pipe_file(path, value, **kwargs)


@pytest.fixture
def unsteady():
    """The file system of `unsteady://`, empty, and steady until its `fail(error, times, after, only)` is called."""
    fsspec.register_implementation("unsteady", Unsteady, clobber=True)

    def fail(error, times=10**9, after=0, only=""):
        Unsteady.failing.update(error=error, times=times, after=after, only=only)

    Unsteady.fail = staticmethod(fail)
    fail(None, 0)
    Unsteady.asked.clear()
    Unsteady.store.clear()
    return Unsteady
