"""All phones' models of a training, and what it takes to score an utterance with them."""

from dataclasses import dataclass, field

from asrkit.features.frontend import FrontEnd
from asrkit.phones.lda import Lda
from asrkit.phones.mixgop import MixgopConfig, PhoneBank, PhoneModel
from asrkit.phones.tokens import cut_tokens


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
