"""Decode folders: what was heard, and whether that is what `decode` wrote."""

import hashlib
import unicodedata

from asrkit.errors import DataError
from asrkit.io.files import format_table, read_table
from asrkit.io.json_file import read_object
from asrkit.io.places import as_path

HYP_CHECKSUM = "hyp_sha256"  # in decode.json

REMEDY = (
    "cut off, or changed since (decode again; if you have changed it, take decoded, skipped and hyp_sha256 out of "
    "decode.json)"
)


def hyp_checksum(hyps):
    """What decode.json remembers of the table hyp: line ends and forms of letters may change on the way."""
    return hashlib.sha256(unicodedata.normalize("NFC", format_table(hyps)).encode()).hexdigest()


def read_facts(folder):
    """The dict of a folder's decode.json; None where the decoder left none."""
    path = as_path(folder) / "decode.json"
    if not path.exists():
        return None
    facts = read_object(path, {}, "asrkit decode")
    return facts if isinstance(facts, dict) else {}


def hears_phrases(folder):
    """Whether a text line of several words is one class to the system of a decode folder."""
    facts = read_facts(folder) or {}
    words = facts.get("words")
    return facts.get("phrases") is True or (
        isinstance(words, list) and any(" " in str(word) for word in words)
    )


def check_scored(folder, table):
    """Refuse a table scores.scp with fewer utterances than decode.json beside it says were decoded."""
    told = (read_facts(folder) or {}).get("decoded")
    if isinstance(told, int) and len(table) < told:
        raise DataError(
            f"{as_path(folder) / 'scores.scp'}: {len(table)} utterances, where decode.json beside it says {told}: cut off "
            "(decode again)"
        )


def read_hyp(folder):
    """Read the table hyp of a decode folder, and skipped where it is there.

    Returns
    -------
    (dict of str to str, dict of str to str)

    Raises
    ------
    DataError
        One of them is not as decode.json beside them says: emptied, cut off or changed since.
    """
    folder = as_path(folder)
    hyps = read_table(folder / "hyp")
    skipped = read_table(folder / "skipped") if (folder / "skipped").exists() else {}
    facts = read_facts(folder) or {}
    for name, table, told in (
        ("hyp", hyps, facts.get("decoded")),
        ("skipped", skipped, facts.get("skipped")),
    ):
        if isinstance(told, int) and told != len(table):
            raise DataError(
                f"{folder / name}: {len(table)} utterances, where decode.json beside it says {told}: {REMEDY}"
            )
    if facts.get(HYP_CHECKSUM, hyp_checksum(hyps)) != hyp_checksum(hyps):
        raise DataError(f"{folder / 'hyp'}: not as it was decoded: {REMEDY}")
    return hyps, skipped
