"""Work that is done once: its folder remembers of which settings and data it was made, and keeps what it
said.
"""

import contextlib
import hashlib
import json
import time

from asrkit.distribution import VERSION
from asrkit.errors import DataError
from asrkit.io.archive import SPEC, resolve
from asrkit.io.data_dir import SIDE_VERBATIM, TABLES
from asrkit.io.files import atomic_write, read_table, remove
from asrkit.runtime import log_to

RECORD = "run.json"  # in the folder of a run, written last: where it is, the run is complete
TAIL = 5  # lines of a failed run's log that are shown


def once(work, folder, settings, directories, results):
    """Call `work()` with its log in folder/log, unless that was done before with equal settings and data.

    Parameters
    ----------
    settings : JSON values
    directories : sequence of Path
        The data directories that the work reads.
    results : sequence of Path
        Files that the work makes. They must be there to be kept, and are removed before it starts anew.

    Returns
    -------
    dict
        "seconds" it took, and whether an earlier run was "kept".

    Raises
    ------
    DataError
        The work did; with the end of its log.
    """
    return each_once(lambda missing: work(), {folder: (settings, results)}, directories, folder / "log")[
        folder
    ]


def each_once(work, runs, directories, log_path):
    """The same for several runs that are quicker done together.

    Parameters
    ----------
    work : callable or None
        Called with the list of the folders that were not done before. It may return dict of folder to a dict
        of facts, which are kept. None: leave them undone.
    runs : dict of Path to (settings, results)
        By folder.

    Returns
    -------
    dict of Path to dict
        The facts, "seconds" (of all that were done together) and whether it was "kept", for each folder that
        is done.
    """
    signatures = {folder: sign(settings, directories) for folder, (settings, _) in runs.items()}
    done, missing = {}, []
    for folder, (_, results) in runs.items():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            if record.pop("signature") == signatures[folder] and all(path.exists() for path in results):
                done[folder] = {"seconds": record["seconds"], **record, "kept": True}
                continue
        missing.append(folder)
    if work is None or not missing:
        return done
    started = time.perf_counter()
    for folder in missing:
        for path in (folder / RECORD, *runs[folder][1]):
            remove(path)
    try:
        with log_to(log_path):
            facts = work(missing) or {}
    except DataError:
        lines = log_path.read_text(encoding="utf-8").splitlines()[-TAIL:]
        raise DataError("\n  ".join([f"{log_path.parent} failed; {log_path} ends with", *lines])) from None
    seconds = round(time.perf_counter() - started, 3)
    for folder in missing:
        record = {**facts.get(folder, {}), "seconds": seconds}
        with atomic_write(folder / RECORD) as stream:
            json.dump({"signature": signatures[folder], **record}, stream)
            stream.write("\n")
        done[folder] = {**record, "kept": False}
    return done


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
