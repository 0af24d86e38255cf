"""Work that is done once: its folder remembers of which settings and data it was made, and keeps what it
said.
"""

import contextlib
import hashlib
import json
import tempfile
import time
from pathlib import Path

from asrkit.distribution import VERSION
from asrkit.errors import DataError
from asrkit.io.archive import SPEC, resolve
from asrkit.io.data_dir import SIDE_VERBATIM, TABLES
from asrkit.io.files import atomic_write, read_table, remove
from asrkit.io.holds import hold
from asrkit.io.places import RemotePath, open_place
from asrkit.runtime import log_to

RECORD = "run.json"  # in the folder of a run, written last: where it is, the run is complete
TAIL = 5  # lines of a failed run's log that are shown


def once(work, folder, settings, directories, results, *, logged=True):
    """Call `work()` with its log in folder/log, unless that was done before with equal settings and data.

    Parameters
    ----------
    settings : JSON values
    directories : sequence of Path
        The data directories that the work reads.
    results : sequence of Path
        Files that the work makes, below the folder. They must be as they were when it was finished, or it is done
        anew; they are removed before.
    logged : bool
        False: what it logs goes where all logs go.

    Returns
    -------
    dict
        Of facts where the work returned such, "seconds" it took, whether an earlier run was "kept", and what was wrong with one that was done "anew".

    Raises
    ------
    DataError
        The work did; with the end of its log.
    """
    runs, log_path = {folder: (settings, results)}, folder / "log" if logged else None
    return each_once(lambda missing: {folder: work() or {}}, runs, directories, log_path)[folder]


def each_once(work, runs, directories, log_path):
    """The same for several runs that are quicker done together.

    Parameters
    ----------
    work : callable or None
        Called with the list of the folders that were not done before. It may return dict of folder to a dict
        of facts, which are kept. None: leave them undone.
    log_path : Path or None
        Where what it logs goes; None: where all logs go.
    runs : dict of Path to (settings, results)
        By folder.

    Returns
    -------
    dict of Path to dict
        The facts, "seconds" (of all that were done together), whether it was "kept" and why it was done "anew", for
        each folder that is done.
    """
    signatures = {folder: sign(settings, directories) for folder, (settings, _) in runs.items()}
    done, missing = _finished(runs, signatures)
    if work is None or not missing:
        return done
    with contextlib.ExitStack() as stack:
        for folder in sorted(missing):
            stack.enter_context(hold(folder, wait=True))
        more, missing = _finished({folder: runs[folder] for folder in missing}, signatures)
        done.update(more)  # by whom it was waited for
        if missing:
            done.update(_make(work, missing, runs, signatures, log_path))
    return done


def _make(work, missing, runs, signatures, log_path):
    started = time.perf_counter()
    for folder in missing:
        for path in (folder / RECORD, *runs[folder][1]):
            remove(path)
    try:
        with logged_to(log_path) if log_path else contextlib.nullcontext():
            facts = work(list(missing)) or {}
    except DataError:
        if log_path is None:
            raise
        lines = log_path.read_text(encoding="utf-8").splitlines()[-TAIL:]
        raise DataError(f"{log_path.parent} failed; {log_path} ends with", *lines) from None
    seconds, done = round(time.perf_counter() - started, 3), {}
    for folder, why in missing.items():
        record = {**facts.get(folder, {}), "seconds": seconds}
        files = {path.relative_to(folder).as_posix(): checksum(path) for path in runs[folder][1]}
        whole = {"signature": signatures[folder], "facts": record, "files": files}
        with atomic_write(folder / RECORD, sync=True) as stream:
            json.dump({**whole, "checksum": _own_checksum(whole)}, stream)
            stream.write("\n")
        done[folder] = {**record, "kept": False, "anew": why}
    return done


@contextlib.contextmanager
def logged_to(path):
    """The `log_to` of asrkit.runtime for any place: a log at a URL is put there when the block ends, well or not."""
    if not isinstance(path, RemotePath):
        with log_to(path):
            yield
        return
    with tempfile.TemporaryDirectory(prefix="asrkit-") as folder:
        here = Path(folder) / "log"
        try:
            with log_to(here):
                yield
        finally:
            path.write_file(here)


def _finished(runs, signatures):
    """Dict of folder to its facts where it is as it was finished, and dict of the others to what is wrong there, or
    None where nothing is.
    """
    done, missing = {}, {}
    for folder, (_, results) in runs.items():
        facts, why = _read_record(folder, signatures[folder], results)
        if facts is None:
            missing[folder] = why
        else:
            done[folder] = {**facts, "kept": True, "anew": None}
    return done, missing


def _read_record(folder, signature, results):
    """(facts, None) of a run that is as it was finished, else (None, what is wrong or None)."""
    try:
        content = (folder / RECORD).read_bytes()
    except OSError:  # never finished
        return None, None
    try:
        record = json.loads(content)
        own = record.pop("checksum", None)
        if own is None and "seconds" in record:
            return None, f"{RECORD} is of an asrkit that kept no checksums"
        if own != _own_checksum(record):
            raise ValueError
        facts, files = record["facts"], record["files"]
        if record["signature"] != signature:
            return None, None
    except Exception:  # whatever a damaged file makes of JSON
        return None, f"{RECORD} is damaged"
    for path in results:
        name = path.relative_to(folder).as_posix()
        if name not in files or files[name] != checksum(path):
            return None, f"{name} is not as it was finished"
    return facts, None


def _own_checksum(record):
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def checksum(path):
    """[size, SHA-256] of a file; None where there is none."""
    digest = hashlib.sha256()
    try:
        with open_place(path) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
            return [stream.tell(), digest.hexdigest()]
    except OSError:
        return None


def sign(settings, directories):
    """A hash of settings, of what the directories' tables hold, and of size and date of the archives they
    name.
    """
    digest = hashlib.sha256(json.dumps([VERSION, settings], sort_keys=True).encode())
    archives = {}
    for directory in directories:
        for name in (*TABLES, *SIDE_VERBATIM):
            path = directory / name
            digest.update(f"\n{name}\n".encode() + (path.read_bytes() if path.exists() else b""))
        for table in (
            read_table(directory / name) for name in ("feats.scp", "cmvn.scp") if (directory / name).exists()
        ):
            for match in map(SPEC.fullmatch, table.values()):
                if match and match["path"] not in archives:
                    archives[match["path"]] = None
                    with contextlib.suppress(OSError, DataError):  # whoever reads it will say so
                        about = resolve(match["path"], directory).stat()
                        archives[match["path"]] = [about.st_size, about.st_mtime_ns]
    digest.update(json.dumps(archives, sort_keys=True).encode())
    return digest.hexdigest()
