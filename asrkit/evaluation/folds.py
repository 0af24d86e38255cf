"""Which utterances are trained on and which are tested: folds and draws of a corpus. Dicts in, dicts out.

A fold is what is tested together; training takes the rest. `originals` goes from a perturbed copy to the
utterance it was made of (Kaldi's utt2uniq): whoever has heard the copy has heard the recording.
"""

import numpy as np


def by_speaker(speakers, count):
    """Folds of whole speakers, of about equal size: dict of utterance to fold.

    Parameters
    ----------
    speakers : dict of str to str
        Utterance to speaker.
    count : int
        Folds, named "1" to "count"; 0 makes each speaker a fold of its own name.
    """
    groups = grouped(speakers)
    if count == 0:
        return dict(speakers)
    names = [str(number) for number in range(1, count + 1)]
    sizes, fold_of = dict.fromkeys(names, 0), {}
    # the large ones first
    for speaker, utts in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0].encode())):
        fold_of[speaker] = min(names, key=sizes.get)
        sizes[fold_of[speaker]] += len(utts)
    return {utt: fold_of[speaker] for utt, speaker in speakers.items()}


def at_random(words, originals, count, seed):
    """Folds drawn by chance, every word's utterances spread over all of them: dict of utterance to fold "1"
    to "count".

    Copies stay with their original.
    """
    rng = np.random.default_rng(seed)
    together = grouped({utt: originals.get(utt, utt) for utt in words})
    fold_of, place = {}, 0
    for units in grouped({unit: words[utts[0]] for unit, utts in together.items()}).values():
        for unit in rng.permutation(units).tolist():
            fold_of[unit] = str(place % count + 1)
            place += 1
    return {utt: fold_of[originals.get(utt, utt)] for utt in words}


def by_list(speakers, listed):
    """Folds as a list has them, dict of utterance or speaker to fold; an utterance's own line goes before its
    speaker's.

    Returns
    -------
    folds : dict of str to str
    unnamed : list of str
        Utterances that the list has no fold for.
    """
    folds = {utt: listed.get(utt, listed.get(speaker)) for utt, speaker in speakers.items()}
    return folds, [utt for utt, fold in folds.items() if fold is None]


def barred(speakers, originals, held_out, tested):
    """Which of some utterances must not be trained on beside a test part.

    Parameters
    ----------
    speakers : dict of str to str
        The utterances in question and their speakers.
    held_out : set of str
        Speakers that training must not hear.
    tested : set of str
        What is tested, and the originals of what is tested.

    Returns
    -------
    dict of str to str
        Utterance to "speaker" or "recording".
    """
    reasons = {}
    for utt, speaker in speakers.items():
        if speaker in held_out:
            reasons[utt] = "speaker"
        elif utt in tested or originals.get(utt, utt) in tested:
            reasons[utt] = "recording"
    return reasons


def draw(words, speakers, count, seed):
    """`count` utterances of every word, or all it has, by chance and from as many speakers as possible: list
    in the order of `words`.

    Of one seed, the draw of fewer is part of the draw of more.
    """
    rng = np.random.default_rng(seed)
    chosen = set()
    for utts in grouped(words).values():
        # both orders are by chance
        own = grouped({utt: speakers[utt] for utt in rng.permutation(utts).tolist()})
        turns = sorted(
            (turn, place, utt) for place, utts in enumerate(own.values()) for turn, utt in enumerate(utts)
        )
        chosen.update(utt for _, _, utt in turns[:count])
    return [utt for utt in words if utt in chosen]


def half_of_speakers(speakers, seed):
    """Half of the speakers, rounded up, drawn by chance: set of their utterances.

    Parameters
    ----------
    speakers : dict of str to str
        Utterance to speaker.
    """
    names = sorted(set(speakers.values()), key=str.encode)
    kept = set(np.random.default_rng(seed).permutation(names)[: -(-len(names) // 2)].tolist())
    return {utt for utt, speaker in speakers.items() if speaker in kept}


def half_of_recordings(words, speakers, originals, seed):
    """Half of each speaker's recordings of each word, at least one, drawn by chance, with their copies: set of utterances.

    Of an odd number of speakers `half_of_speakers` keeps more than half; so large is the share here, too.

    Parameters
    ----------
    words, speakers : dict of str to str
        Utterance to what it says and to who says it.
    """
    count = len(set(speakers.values()))
    share = -(-count // 2) / count if count > 1 else 0.5
    rng = np.random.default_rng(seed)
    together = grouped({utt: originals.get(utt, utt) for utt in words})
    whose = {unit: (speakers[utts[0]], words[utts[0]]) for unit, utts in together.items()}
    kept = set()
    for units in grouped(whose).values():
        kept.update(rng.permutation(units)[: max(1, round(share * len(units)))].tolist())
    return {utt for utt in words if originals.get(utt, utt) in kept}


def grouped(group_of):
    """Dict of key to group -> dict of group to its keys, both in the order they appear."""
    groups = {}
    for key, group in group_of.items():
        groups.setdefault(group, []).append(key)
    return groups
