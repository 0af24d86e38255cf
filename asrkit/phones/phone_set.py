"""All phones' models of a training, and what it takes to score an utterance with them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from asrkit.features.frontend import FrontEnd
from asrkit.phones.lda import Lda
from asrkit.phones.mixgop import MixgopConfig, PhoneBank, PhoneModel
from asrkit.phones.phone import POSITION, STRESS, is_silence, plain
from asrkit.phones.tokens import cut_tokens

IMPORT = "asrkit mixgop import-alignment"
SHOWN = 8  # phones of each set that a message names


@dataclass(frozen=True)
class PhoneSet:
    """What a MixGoP model file holds.

    Attributes
    ----------
    models : dict of str to PhoneModel
        In C-locale order of the phones.
    counts : dict of str to int
        Training tokens of every phone, those without a model included.
    config : MixgopConfig
    min_rating : float or None
        Tokens rated less were left out of the training; None where ratings played no part.
    frontend : FrontEnd
    frame_shift_s : float
    data_hash : str
        SHA-256 over the training utterances' names, phones and features.
    baselines : dict
        Those of `asrkit.phones.baselines` that were trained on the same tokens.
    lda : Lda or None
        What tokens go through before they are scored.
    """

    models: dict[str, PhoneModel]
    counts: dict[str, int]
    config: MixgopConfig
    min_rating: float | None
    frontend: FrontEnd
    frame_shift_s: float
    data_hash: str
    baselines: dict = field(default_factory=dict)
    lda: Lda | None = None

    def bank(self):
        """Make the PhoneBank that scores tokens."""
        return PhoneBank(self.models, self.config.frame_power)

    def cut(self, feats, phones, start_s, end_s):
        """Cut the tokens of one utterance, as the models take them: `tokens.cut_tokens`, then the LDA.

        Parameters
        ----------
        feats : (T, D)
            Model features.
        phones : sequence of str
            P names; a token of one that has no model is labelled -1.
        start_s, end_s : (P,)

        Returns
        -------
        Tokens
        """
        place = {name: label for label, name in enumerate(self.models)}
        labels = [place.get(phone, -1) for phone in phones]
        tokens = cut_tokens(feats, labels, start_s, end_s, self.frame_shift_s, self.config.pooling)
        return self.lda.of(tokens) if self.lda else tokens


def strangers(phones: Sequence[str], known: Collection[str], most: float) -> str | None:
    """Say that a model does not know the phones of an alignment, where that is more than a share of them.

    Parameters
    ----------
    phones : sequence of str
        Of all tokens.
    known : collection of str
        The model's.
    most : float
        Share of the tokens that may be of other phones.

    Returns
    -------
    str or None
        How many of the tokens, some phones of both sets, and how the two may differ.

    Examples
    --------
    >>> strangers(["ɑ", "B", "ɑ"], ["AA", "B"], 0.1)
    "2 of 3 phones are none of the model's: ɑ (the model knows AA, B): another alphabet"
    >>> strangers(["AA", "B", "AA"], ["AA", "B"], 0.1) is None
    True
    """
    lost = [phone for phone in phones if phone not in known]
    if len(lost) <= most * len(phones):
        return None
    told, others = (", ".join(sorted(set(some))[:SHOWN]) for some in (lost, known))
    return (
        f"{len(lost)} of {len(phones)} phones are none of the model's: {told} (the model knows {others}): "
        f"{difference(lost, known)}"
    )


def difference(lost: Collection[str], known: Collection[str]) -> str:
    """Guess how names of phones that are not known, one a token, mostly differ from those that are.

    Examples
    --------
    >>> difference(["aa", "iy"], ["AA", "IY"])
    'upper and lower case differ'
    """

    def mostly(change_lost, change_known=str):
        names = {change_known(phone) for phone in known}
        return sum(change_lost(phone) in names for phone in lost) > len(lost) / 2

    if sum(is_silence(POSITION.sub("", phone)) for phone in lost) > len(lost) / 2:
        return f"they are silences ({IMPORT} leaves them out)"
    if sum(phone.isdecimal() for phone in lost) > len(lost) / 2:
        return f"they are numbers ({IMPORT} --phones phones.txt gives them names)"
    unstressed, unplaced = (lambda phone, mark=mark: mark.sub("", phone) for mark in (STRESS, POSITION))
    for changed, what, flag in (
        (unstressed, "stress is kept", "--strip-stress true"),
        (unplaced, "positions in the word are kept", "--strip-position true"),
        (plain, "stress and positions in the word are kept", "--strip-stress true --strip-position true"),
    ):
        if mostly(changed):
            return f"{what} ({IMPORT} {flag} takes them off)"
        if mostly(str, changed):
            return f"{what} in the others alone ({IMPORT} {flag.replace('true', 'false')} keeps them)"
    if mostly(str.lower, str.lower):
        return "upper and lower case differ"
    return "another alphabet"
