"""Say why an utterance was heard wrongly: in words, and as JSON values."""

from collections import Counter
from typing import Any

from asrkit.workflows.error_report import Case, Hearing, Neighbour
from asrkit.workflows.explain import contrast_json, lead_sentences


def neighbour_json(near: Neighbour) -> dict[str, Any]:
    return {"utt": near.utt, "word": near.word, "speaker": near.speaker, "distance": round(near.distance, 4)}


def hearing_json(case: Case, own: Hearing) -> dict[str, Any]:
    """Give one error of one system as JSON values."""
    return {
        "heard": own.heard or "no word",
        "p": own.p,
        "why": why(case, own),
        "exact": own.exact,
        "contrast": None if own.contrast is None else contrast_json(own.contrast),
    }


def why(case: Case, own: Hearing) -> str:
    """Say in words why an utterance was heard so."""
    if own.heard is None:
        return f"‘{case.said}’ was heard as no word" + (f": {own.reason}." if own.reason else ".")
    said = [
        f"‘{case.said}’ was heard as ‘{own.heard}’"
        + (f", with a probability of {own.p:.2f}." if own.p is not None else ".")
    ]
    if own.contrast is None:
        return said[0]
    winner, other = own.contrast.winner, own.contrast.other
    if winner.word != own.heard:
        said.append(f"The likeliest word, ‘{winner.word}’, was not sure enough.")
    if other.word != case.said:
        known = (
            "came next to it"
            if winner.word == case.said
            else "is compared, since no path leads through what was said"
        )
        said.append(f"‘{other.word}’ {known}.")
    said += lead_sentences(own.contrast, case.start_s, case.frame_shift_s)
    if case.neighbours:
        (word, count), *_ = Counter(near.word for near in case.neighbours).most_common(1)
        said.append(
            f"Of the {len(case.neighbours)} recordings of the training that sound most like it {count} say ‘{word}’."
        )
    if not own.exact:
        said.append(
            "The decoding's scores differ from these paths': it was heard by other settings than are known here."
        )
    return " ".join(said)
