"""Who speaks in a data directory: whether it knows, and whether its tables agree."""

from collections import Counter

from asrkit.io.combine import side_table
from asrkit.io.data_dir import ORIGINALS, SIDE_BY_SPEAKER, DataDir
from asrkit.io.files import c_sorted

REMEDY = "asrkit prepare-wavs --speaker NAME, or {speaker} in its pattern, says who speaks"


def unknown_speakers(data: DataDir) -> list[str]:
    """List the utterances whose speaker nobody knows.

    Such an utterance is its own speaker, as in Kaldi; a perturbed copy has the speaker of what it was made of.
    """
    originals = side_table(data, ORIGINALS, data.utts)
    return [utt for utt in data.utts if data.speaker(utt) in (utt, originals.get(utt))]


def who_is_unknown(*parts: DataDir) -> str:
    """Say how many speakers of some data directories are not known; empty where all are."""
    counts = [(part, len(unknown_speakers(part)), len(part.utts)) for part in parts]
    return "; ".join(
        f"{part.path}: speakers are not known, each of {total} utterances counts as its own"
        if count == total
        else f"{part.path}: speakers are not known of {count} of {total} utterances, each counts as its own"
        for part, count, total in counts
        if count
    )


def compare_speakers(path, tables):
    """Compare utt2spk with spk2utt, cmvn.scp and spk2gender, and with the order Kaldi wants."""
    if "utt2spk" not in tables:
        return []
    utt2spk = {utt: entry.value for utt, entry in tables["utt2spk"].items() if len(entry.value.split()) == 1}
    lines = {utt: entry.line for utt, entry in tables["utt2spk"].items()}
    faults = []
    by_utt = c_sorted(utt2spk)
    by_speaker = sorted(by_utt, key=lambda utt: (utt2spk[utt].encode(), utt.encode()))
    for utt, other in zip(by_utt, by_speaker):
        if utt != other:
            faults.append(
                f"{path}/utt2spk:{lines[utt]}: utt2spk is not in sorted order when sorted first on speaker-id "
                f"(fix this by making speaker-ids prefixes of utt-ids); first '{utt}' of speaker '{utt2spk[utt]}'"
            )
            break
    first_line = {}
    for utt, speaker in utt2spk.items():
        first_line.setdefault(speaker, lines[utt])
    for name in [name for name in ("cmvn.scp", *SIDE_BY_SPEAKER) if name in tables]:
        remedy = f"asrkit compute-cmvn {path} writes it anew" if name == "cmvn.scp" else f"add it to {name}"
        for speaker in c_sorted(first_line.keys() - tables[name].keys()):
            faults.append(
                f"{path}/utt2spk:{first_line[speaker]}: speaker '{speaker}' is not in {name} ({remedy})"
            )
        for speaker in c_sorted(tables[name].keys() - first_line.keys()):
            here = f"{path}/{name}:{tables[name][speaker].line}"
            faults.append(
                f"{here}: speaker '{speaker}' is not in utt2spk (asrkit fix-data {path} removes it)"
            )
    if "spk2utt" in tables:
        faults += _compare_spk2utt(path, utt2spk, lines, tables["spk2utt"])
    return faults


def _compare_spk2utt(path, utt2spk, lines, spk2utt):
    faults = []
    remedy = f"(asrkit fix-data {path} makes spk2utt from utt2spk)"
    listed = Counter((utt, speaker) for speaker, entry in spk2utt.items() for utt in entry.value.split())
    for (utt, speaker), times in listed.items():
        here = f"{path}/spk2utt:{spk2utt[speaker].line}: utterance '{utt}' of speaker '{speaker}'"
        if utt not in utt2spk:
            faults.append(f"{here} is not in utt2spk {remedy}")
        elif utt2spk[utt] != speaker:
            faults.append(f"{here} belongs to '{utt2spk[utt]}' in utt2spk:{lines[utt]} {remedy}")
        elif times > 1:
            faults.append(f"{here} appears {times} times {remedy}")
    for utt, speaker in utt2spk.items():
        if (utt, speaker) not in listed:
            here = f"{path}/utt2spk:{lines[utt]}: utterance '{utt}' of speaker '{speaker}'"
            faults.append(f"{here} is not in spk2utt {remedy}")
    return faults
