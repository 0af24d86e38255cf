"""Several data directories as one: what Kaldi's combine_data.sh does, and the settings of the features held
against each other.
"""

from asrkit.config import read_conf
from asrkit.errors import DataError
from asrkit.io.data_dir import (
    ORIGINALS,
    SIDE_BY_SPEAKER,
    SIDE_BY_UTT,
    SIDE_VERBATIM,
    DataDir,
    Segment,
    follow,
    write_data_dir,
)
from asrkit.io.features import KIND, KIND_RECORD, kind_name
from asrkit.io.files import atomic_write, read_lines, read_table, remove, write_table


def combine(parts, path):
    """Write the utterances of several data directories into the folder `path`.

    Parameters
    ----------
    parts : list of DataDir
        What `subset` left of a directory goes in as that.

    Raises
    ------
    DataError
        An utterance is in two of them, or a recording, a speaker's gender or a setting of the features
        differs.
    """
    refuse_repeated(parts)
    for name in SIDE_VERBATIM:
        refuse_different(parts, name)
    whole = DataDir(
        path=path,
        wav=joined(parts, "wav.scp", [follow(part.wav, part.path, always=True) for part in parts]),
        text=joined(parts, "text", [part.text for part in parts]),
        utt2spk={utt: part.speaker(utt) for part in parts for utt in part.utts}
        if any(part.utt2spk for part in parts)
        else {},
        segments={utt: segment for part in parts for utt, segment in all_segments(part, parts).items()},
        feats=joined(parts, "feats.scp", [follow(part.feats, part.path, always=True) for part in parts]),
        cmvn=joined_cmvn(parts),
    )
    side = {
        name: joined(parts, name, [side_table(part, name, part.utts) for part in parts])
        for name in SIDE_BY_UTT
    }
    for name in SIDE_BY_SPEAKER:
        side[name] = joined(
            parts, name, [side_table(part, name, map(part.speaker, part.utts)) for part in parts]
        )
    side[ORIGINALS] = all_originals(parts)
    for name, table in side.items():  # write_data_dir takes these from the folder
        if table:
            write_table(path / name, table)
        else:
            remove(path / name)
    for name in SIDE_VERBATIM:
        source = next((part.path / name for part in parts if (part.path / name).exists()), None)
        if source is None:
            remove(path / name)
        elif source.resolve() != (path / name).resolve():
            content = source.read_bytes()
            with atomic_write(path / name, "wb") as stream:
                stream.write(content)
    write_data_dir(whole, path)
    return whole


def refuse_repeated(parts):
    home = {}
    for part in parts:
        for utt in part.utts:
            if utt in home:
                raise DataError(
                    f"{part.path}: utterance '{utt}' is in {home[utt]}, too (rename one, or leave it out with subset-data)"
                )
            home[utt] = part.path


def refuse_different(parts, name):
    """Records of how the features were made must agree, setting for setting."""
    if name == "endpoint.conf":
        # recordings that are words already need no looking for them
        parts = [part for part in parts if part.segments]
    known = [(part.path / name, conf_values(part.path / name)) for part in parts]
    for path, values in known[1:]:
        first, expected = known[0]
        if (values is None) != (expected is None):
            there, missing = (first, path) if values is None else (path, first)
            raise DataError(
                f"{missing}: no such file, but {there} is there: how the features were made must be known of all or of none"
            )
        for key in values or ():
            if values[key] != expected.get(key):
                raise DataError(
                    f"{path}: {key} is {values[key]}, in {first} it is {expected.get(key, 'not set')} (compute both alike)"
                )
        for key in (expected or {}).keys() - (values or {}).keys():
            raise DataError(
                f"{path}: {key} is not set, in {first} it is {expected[key]} (compute both alike)"
            )


def conf_values(path):
    """A record's settings, or None where there is none; frame_shift holds one number and no key."""
    if not path.exists():
        return None
    if path.suffix == ".conf":
        values = {key: value for _, key, value in read_conf(path)}
        if path.name == KIND_RECORD:
            values[KIND] = kind_name(values)
        return {key.removeprefix("--"): value for key, value in values.items()}
    return {path.name: " ".join(line for _, line in read_lines(path)).strip()}


def joined(parts, name, tables):
    """The union of tables that all parts have; a key that two give different values is an error."""
    if not all(tables):
        return {}
    whole, home = {}, {}
    for part, table in zip(parts, tables, strict=True):
        for key, value in table.items():
            if whole.get(key, value) != value:
                raise DataError(
                    f"{part.path / name}: '{key}' is '{value}', in {home[key] / name} it is '{whole[key]}' (rename one)"
                )
            whole[key], home[key] = value, part.path
    return whole


def joined_cmvn(parts):
    """Statistics of all speakers, or none: then they are summed over the utterances, those of a speaker in
    two parts together.
    """
    tables = [follow(part.cmvn, part.path, always=True) for part in parts]
    speakers = [{part.speaker(utt) for utt in part.utts} for part in parts]
    shared = any(a & b for i, a in enumerate(speakers) for b in speakers[:i])
    return {} if shared else joined(parts, "cmvn.scp", tables)


def all_segments(part, parts):
    """A part's segments; where others have some and it has none, each of its recordings is one segment."""
    if part.segments or not any(other.segments for other in parts):
        return part.segments
    return {utt: Segment(utt, 0.0, -1.0) for utt in part.wav}


def all_originals(parts):
    """utt2uniq; an utterance of a directory without it is its own original."""
    tables = [side_table(part, ORIGINALS, part.utts) for part in parts]
    return (
        {utt: table.get(utt, utt) for part, table in zip(parts, tables) for utt in part.utts}
        if any(tables)
        else {}
    )


def side_table(part, name, keys):
    """What the file `name` of a part's folder says of `keys`, {} where there is no such file."""
    path = part.path / name
    if not path.exists():
        return {}
    keys = set(keys)
    return {key: value for key, value in read_table(path, check_sorted=False).items() if key in keys}
