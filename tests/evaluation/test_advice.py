"""What an estimate says to a person: how sure it is, what is confused, and what can be told of more recordings."""

import numpy as np
import pytest

from asrkit.evaluation.advice import confused_line, next_line, right_line
from asrkit.evaluation.scoring import compute_errors

WORDS = ("no", "yes")


def report(wrong, total=40, speakers=4, heard=None):
    """`total` utterances of two words, those whose places are in `wrong` heard as the other one, or as `heard`."""
    refs = {f"u{place:02d}": WORDS[place % 2] for place in range(total)}
    hyps = dict(refs)
    for place in wrong:
        utt = f"u{place:02d}"
        hyps[utt] = heard or WORDS[(place + 1) % 2]
    return compute_errors(refs, hyps, {utt: f"s{int(utt[1:]) % speakers}" for utt in refs}, "all")


COUNTS = {"no": 20, "yes": 20}
FULL = report(range(4))


def test_the_interval_is_never_narrower_than_that_of_words_or_of_speakers():
    said = right_line(report([]), "5 folds")
    assert said == (
        "right: 40 of 40 words in recordings that it had not heard, 100.0 % (95 % interval 91.2 to 100.0 %; 5 folds)"
    )
    uneven = report(range(0, 20, 4))  # all of one speaker of four
    low, high = uneven.speaker_interval
    assert low == 0 and high > uneven.interval[1]
    assert f"{100 * (1 - high):.1f} to 100.0 %" in right_line(uneven, "")


def test_pairs_are_named_whichever_was_said():
    assert confused_line(report([0, 1, 2])) == "confused: no and yes (3)"
    assert confused_line(report([])) == "confused: nothing"


def test_the_most_frequent_pairs_are_named_and_the_others_counted():
    refs = dict(enumerate("aaabbbccdde"))
    hyps = dict(enumerate("bbacaaddcca"))
    refs, hyps = ({str(utt): word for utt, word in own.items()} for own in (refs, hyps))
    del hyps["2"]
    said = confused_line(compute_errors(refs, hyps, {}, "all"))
    assert said == "confused: a and b (4), c and d (4), b and c (1), others (1), not recognised at all (1)"


def test_what_costs_most_when_it_is_halved_helps_most():
    halves = {"speakers": report(range(20)), "recordings": report(range(6))}
    assert next_line(FULL, halves, COUNTS) == (
        "record next: two more speakers would help most (wrong of 40 words: 20 with half the speakers, "
        "6 with half the recordings of each word, 4 with all)"
    )
    halves = {"speakers": report(range(6)), "recordings": report(range(20))}
    assert next_line(FULL, halves, COUNTS).startswith(
        "record next: more recordings of each word would help most ("
    )


@pytest.mark.parametrize(
    "speakers, recordings, said",
    [
        (7, 6, "can't be told, the differences may be chance"),
        (
            14,
            13,
            "two more speakers and more recordings of each word would both help, which of them more can't be told",
        ),
        (11, 8, "two more speakers would help, of more recordings of each word that can't be told"),
        (8, 11, "more recordings of each word would help, of two more speakers that can't be told"),
        (4, 4, "can't be told, the differences may be chance"),
    ],
)
def test_what_may_be_chance_is_not_told(speakers, recordings, said):
    halves = {"speakers": report(range(speakers)), "recordings": report(range(recordings))}
    assert next_line(FULL, halves, COUNTS).startswith(f"record next: {said} (")


def test_what_one_speaker_alone_shows_is_not_told():
    half = report([*range(4), *range(4, 36, 4)])  # eight more, all of the first of four speakers
    assert next_line(FULL, {"recordings": half}, COUNTS).startswith(
        "record next: can't be told, the differences"
    )
    half = report(range(12))  # eight more, two of each
    assert next_line(FULL, {"recordings": half}, COUNTS).startswith(
        "record next: more recordings of each word would help ("
    )


def test_fewer_errors_with_half_are_no_reason_to_record():
    half = report([39])
    full = report(range(12))
    assert next_line(full, {"recordings": half}, COUNTS).startswith(
        "record next: can't be told, the differences"
    )


def test_where_nothing_can_be_halved_or_nothing_was_wrong():
    assert next_line(FULL, {}, COUNTS).startswith("record next: can't be told, there are too few recordings")
    halves = {"recordings": report([1])}
    assert next_line(report([]), halves, COUNTS).startswith("record next: can't be told, no word was wrong (")


def test_words_that_have_few_recordings_are_named():
    counts = dict(zip("abcdefg", (10, 10, 10, 10, 5, 4, 1), strict=True))
    said = next_line(FULL, {}, counts)
    assert said.endswith("; and more of 'g' (1), 'f' (4): of others there are 10")


def test_speakers_are_drawn_whole_and_recordings_of_each():
    from asrkit.evaluation.folds import half_of_recordings, half_of_speakers

    rng = np.random.default_rng(1)
    utts = [f"u{place}" for place in range(60)]
    speakers = {utt: f"s{rng.integers(5)}" for utt in utts}
    words = {utt: WORDS[rng.integers(2)] for utt in utts}
    kept = half_of_speakers(speakers, 0)
    names = {speakers[utt] for utt in kept}
    assert len(names) == 3 and kept == {utt for utt in utts if speakers[utt] in names}
    assert kept != half_of_speakers(speakers, 1) or kept != half_of_speakers(speakers, 2)
    kept = half_of_recordings(words, speakers, {}, 0)
    for speaker in set(speakers.values()):
        for word in WORDS:
            own = {utt for utt in utts if (speakers[utt], words[utt]) == (speaker, word)}
            assert len(own & kept) == max(1, round(0.6 * len(own)))  # of five speakers three are kept, too
    one = half_of_recordings(words, dict.fromkeys(utts, "s"), {}, 0)
    assert all(
        len([utt for utt in one if words[utt] == word]) == round(list(words.values()).count(word) / 2)
        for word in WORDS
    )


def test_a_copy_stays_with_its_recording():
    from asrkit.evaluation.folds import half_of_recordings

    utts = [f"u{place}" for place in range(6)]
    originals = {f"{utt}-noise": utt for utt in utts}
    words = dict.fromkeys([*utts, *originals], "no")
    kept = half_of_recordings(words, dict.fromkeys(words, "s"), originals, 0)
    assert len(kept) == 6 and {originals.get(utt, utt) for utt in kept} == kept & set(utts)
