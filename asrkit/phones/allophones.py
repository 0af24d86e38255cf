"""What the components of phones' mixtures stand for: neighbours, examples, and how far the environment
decides.

Choi et al. (2025) take the components of a phone's mixture for its allophones. If they are, a token's
environment (its neighbours) tells which component it falls to: ANMI = I(environment; component) /
H(environment), averaged over phones.

Counts of few tokens overstate it: with E environments, C components and n tokens of a phone, independence
itself gives a mutual information of about (E - 1)(C - 1) / 2n nats, and where nearly every token has an
environment of its own I is close to H(component) whatever the components are. So `anmi` comes with what the
same counts give when components are dealt out by chance among a phone's tokens; only the part above it says
something. Classes of sounds for environments (`manners`) keep E small.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

EDGE = "#"  # no neighbour: the utterance begins or ends here, or is silent
PAUSE_S = 0.05  # silence is left out of the scores; a hole as long as this was one, a shorter one is rounding
MANNERS = {
    "vowel": "AA AE AH AO AW AX AXR AY EH ER EY IH IX IY OW OY UH UW UX",
    "stop": "B D G K P T DX Q",
    "affricate": "CH JH",
    "fricative": "DH F HH HV S SH TH V Z ZH",
    "nasal": "M N NG EM EN ENG NX",
    "approximant": "L R W Y EL WH",
}  # of ARPAbet
MANNER_OF = {phone: manner for manner, phones in MANNERS.items() for phone in phones.split()}


@dataclass(frozen=True)
class Anmi:
    """Normalised mutual information of environment and component; `by_phone[phone]` is (tokens, value, value
    by chance).
    """

    value: float
    chance: float
    by_phone: dict
    left_out: dict  # phone -> why it has no value


def neighbours(utts, phones, starts_s, ends_s):
    """Find the phones before and after every token; EDGE at the ends of its utterance and beside a pause.

    Parameters
    ----------
    utts, phones : array (N,)
        Tokens in the order of time, those of an utterance together.
    starts_s, ends_s : array (N,)

    Returns
    -------
    left, right : array of str (N,)
    """
    utts, phones = np.asarray(utts), np.asarray(phones, dtype=object)
    joined = (utts[1:] == utts[:-1]) & (np.asarray(starts_s)[1:] - np.asarray(ends_s)[:-1] < PAUSE_S)
    left, right = np.full(len(phones), EDGE, dtype=object), np.full(len(phones), EDGE, dtype=object)
    left[1:][joined] = phones[:-1][joined]
    right[:-1][joined] = phones[1:][joined]
    return left, right


def utterance_tokens(phone_set, feats, utt, phones, wanted):
    """Yield (phone, its tokens (n, D), their left and right neighbours) of one utterance, for each phone of
    `wanted` that is in it.

    Of the poolings `all` and `placed` each frame is a token; of a model with LDA they are what comes out of
    it.
    """
    labels = np.array([phone.label for phone in phones], dtype=object)
    times = np.array([(phone.start_s, phone.end_s) for phone in phones])
    tokens = phone_set.cut(feats, labels, *times.T)
    left, right = neighbours([utt] * len(phones), labels, *times.T)
    owner = np.repeat(np.arange(len(phones)), tokens.counts)
    for name in wanted:
        mine = labels[owner] == name
        if mine.any():
            yield name, tokens.obs[mine], left[owner[mine]], right[owner[mine]]


def manners(neighbours, manner_of=None):
    """Find the class of every neighbour; stress digits don't count, EDGE stays.

    Raises
    ------
    ValueError
        Naming the phones that have no class.
    """
    manner_of = MANNER_OF if manner_of is None else manner_of
    classes = {EDGE: EDGE}
    for phone in set(neighbours) - {EDGE}:
        classes[phone] = manner_of.get(phone) or manner_of.get(phone.rstrip("012"))
    unknown = sorted(phone for phone, manner in classes.items() if manner is None)
    if unknown:
        raise ValueError(f"no class for the phones {' '.join(unknown)}")
    return np.array([classes[phone] for phone in neighbours], dtype=object)


def mutual_information(a, b):
    """Compute I(a; b) and H(a) of the counted frequencies, nats; codes are int arrays (N,)."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1)
    joint /= len(a)
    entropy_a, entropy_b, entropy_both = (_entropy(p) for p in (joint.sum(axis=1), joint.sum(axis=0), joint))
    return max(0.0, entropy_a + entropy_b - entropy_both), entropy_a


def anmi(phones, components, environments, min_tokens=1, deals=20, seed=0):
    """Compute I(environment; component) / H(environment) of every phone, and the mean over phones.

    Parameters
    ----------
    phones : array of str (N,)
    components : int array (N,)
        The component every token falls to.
    environments : array of str (N,)
    min_tokens : int
        Phones with fewer tokens are left out.
    deals : int
        How often components are dealt out anew for the value by chance.

    Returns
    -------
    Anmi
        A phone that is always in the same environment has no value: there is nothing to tell.
    """
    phones, components = np.asarray(phones), np.asarray(components)
    environments = np.unique(np.asarray(environments, dtype=str), return_inverse=True)[1]
    by_phone, left_out = {}, {}
    for number, phone in enumerate(np.unique(phones.astype(str))):
        mine = phones == phone
        if mine.sum() < min_tokens:
            left_out[str(phone)] = f"{mine.sum()} tokens < {min_tokens}"
            continue
        a, b = (np.unique(values[mine], return_inverse=True)[1] for values in (environments, components))
        shared, entropy = mutual_information(a, b)
        if entropy <= 1e-12:
            left_out[str(phone)] = "always in one environment"
            continue
        rng = np.random.default_rng([seed, number])
        dealt = [mutual_information(a, rng.permutation(b))[0] for _ in range(deals)]
        by_phone[str(phone)] = (
            int(mine.sum()),
            shared / entropy,
            float(np.mean(dealt)) / entropy if deals else np.nan,
        )
    values = np.array([row[1:] for row in by_phone.values()]).reshape(-1, 2)
    mean, chance = values.mean(axis=0) if len(values) else (np.nan, np.nan)
    return Anmi(float(mean), float(chance), by_phone, left_out)


def clusters(phones, components, left, right, scores, exemplars=3, contexts=3):
    """Describe every component of every phone: how many tokens, which neighbours, which tokens are nearest.

    Parameters
    ----------
    scores : array (N,)
        Log-likelihood of every token; the highest of a component are its exemplars.
    exemplars, contexts : int
        How many to name.

    Returns
    -------
    list of dict
        `phone`, `component`, `n`, `share` (of the phone's tokens), `left` and `right` (pairs of phone and
        share, commonest first), `exemplars` (indices of tokens). Phones in alphabetical order, components by
        size.
    """
    phones, components, scores = np.asarray(phones), np.asarray(components), np.asarray(scores)
    rows = []
    for phone in np.unique(phones.astype(str)):
        of_phone = np.flatnonzero(phones == phone)
        for component, n in sorted(
            Counter(components[of_phone].tolist()).items(), key=lambda item: (-item[1], item[0])
        ):
            mine = of_phone[components[of_phone] == component]
            rows.append(
                {
                    "phone": str(phone),
                    "component": component,
                    "n": n,
                    "share": n / len(of_phone),
                    "left": _commonest(left[mine], contexts),
                    "right": _commonest(right[mine], contexts),
                    "exemplars": mine[np.argsort(-scores[mine], kind="stable")[:exemplars]].tolist(),
                }
            )
    return rows


def _commonest(values, count):
    ranked = sorted(Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0]))
    return [(value, n / len(values)) for value, n in ranked[:count]]


def _entropy(p):
    p = p[p > 0]
    return float(-np.sum(p * np.log(p)))
