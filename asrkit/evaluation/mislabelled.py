"""Which recordings probably say another word than their transcript does?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from asrkit.evaluation.texts import c_sorted
from asrkit.words.confidence import UNKNOWN

# Of 3000 FSDD recordings, 30 of them with another label, 19 were listed so, 16 of these rightly; 29 and 17 with a quarter in place of a tenth.
SURE = 0.9  # probability of the other word, by models that did not hear the recording
MANNER = (
    0.1  # of a speaker's other recordings of a word: so many heard as the same other word are how he says it
)


class Suspect(NamedTuple):
    """A recording whose transcript is doubtful.

    Attributes
    ----------
    utt : str
    said, heard : str
        What its transcript has, and what every system heard.
    p : float
        Probability that `heard` was said: the mean over systems.
    """

    utt: str
    said: str
    heard: str
    p: float


def probably_mislabelled(
    refs: Mapping[str, str],
    speakers: Mapping[str, str],
    systems: Sequence[tuple[Mapping[str, str], Mapping[str, float]]],
    least: float = SURE,
) -> list[Suspect]:
    """Find recordings in which every system that knows how sure it is hears the same other word, and is sure of it.

    Not those of a speaker whose other recordings of that word are often heard so, too: that is how he says it.

    Parameters
    ----------
    refs : dict of str to str
        What each utterance says, as it was labelled.
    speakers : dict of str to str
    systems : sequence of (dict of str to str, dict of str to float)
        What was heard, and the probability that it was said; of models that were not trained on the utterance.
    least : float
        Mean probability.

    Returns
    -------
    list of Suspect
        The surest first.

    Examples
    --------
    >>> probably_mislabelled({"a": "yes", "b": "no"}, {}, [({"a": "no", "b": "no"}, {"a": 0.99, "b": 0.99})])
    [Suspect(utt='a', said='yes', heard='no', p=0.99)]
    """
    sure = [(hyps, known) for hyps, known in systems if known]
    agreed = {}
    for utt in c_sorted(refs):
        heard = {hyps.get(utt) for hyps, _ in sure}
        word = heard.pop() if len(heard) == 1 else None
        if word not in (None, UNKNOWN, refs[utt]) and all(utt in known for _, known in sure):
            agreed[utt] = word
    said = Counter((speakers.get(utt, utt), ref) for utt, ref in refs.items())
    confused = Counter((speakers.get(utt, utt), refs[utt], word) for utt, word in agreed.items())
    found = []
    for utt, word in agreed.items():
        who = speakers.get(utt, utt)
        others = said[who, refs[utt]] - 1
        p = sum(known[utt] for _, known in sure) / len(sure)
        if p >= least and confused[who, refs[utt], word] - 1 <= MANNER * others:
            found.append(Suspect(utt, refs[utt], word, p))
    return sorted(found, key=lambda one: -one.p)
