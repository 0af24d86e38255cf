"""A speaker whom a recogniser gets to know."""

from asrkit.config import PathLike
from asrkit.io.memory_file import write_memory
from asrkit.words.decoding import Scorer
from asrkit.words.listener import Listener
from asrkit.words.memory import Memory
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.arguments import check_path


class Speaker:
    """A speaker whom a Recognizer gets to know: `Recognizer.speaker` makes one, `Recognizer.recognize` hears more of him.

    Attributes
    ----------
    memory : Memory
        What is known of him; another one after each recording in which a word was heard.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> def tone(hz, seed):
    ...     noise = np.random.default_rng(seed).normal(0, 0.02, 4000)
    ...     return 0.3 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000) + noise
    >>> words = {"high": [tone(1500, i) for i in range(5)], "low": [tone(300, i) for i in range(5)]}
    >>> model = asrkit.train(words, rate_hz=8000, family="gmm", num_gauss=1, cmvn="map")
    >>> speaker = model.speaker()
    >>> [model.recognize(tone(hz, 9), rate_hz=8000, speaker=speaker).word for hz in (310, 1510)]
    ['low', 'high']
    >>> speaker
    <Speaker: 2 recordings, 96 frames>
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._listener: Listener | None = None
        self._of: tuple[Vocabulary, str, float, bool] | None = None

    def listener(
        self, vocabulary: Vocabulary, method: str, scorer: Scorer, least: float = 0.0, cut: bool = False
    ) -> Listener:
        """Give what hears the speaker by a vocabulary and by what is known of him; `scorer` is the vocabulary's own, `least` and
        `cut` as the Listener takes them.
        """
        known = self._of is not None and self._of[0] is vocabulary and self._of[1:] == (method, least, cut)
        if self._listener is None or not known or self._listener.memory is not self.memory:
            self._listener = Listener(
                vocabulary, method, memory=self.memory, scorer=scorer, least=least, cut=cut
            )
            self._of = vocabulary, method, least, cut
        return self._listener

    def settle(self) -> None:
        """Learn what is due of the last recordings, so that the next one is heard without delay."""
        if self._listener is not None:
            self._listener.settle()

    def __repr__(self) -> str:
        return f"<Speaker: {self.memory.recordings} recordings, {self.memory.stats[0, -1]:.0f} frames>"

    def save(self, path: PathLike) -> None:
        """Write what is known to a file, which `Recognizer.speaker` reads.

        Parameters
        ----------
        path : path
            A file, which is there whole or not at all.

        Raises
        ------
        DataError
            It can't be written.
        """
        write_memory(check_path(path, "path", "a file"), self.memory)
