"""Whether a data directory knows who speaks, and what a test on it can't say otherwise."""

from asrkit.io.combine import side_table
from asrkit.io.data_dir import ORIGINALS, DataDir

REMEDY = "prepare-wavs with speaker=NAME or {speaker} in its pattern says who speaks"


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
