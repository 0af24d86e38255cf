"""Forced alignment by pocketsphinx: known words, known pronunciations -> the frames of every phone.

Two passes over an utterance: the words and the silences between them, then the phones within each word.
"""

import functools

import numpy as np

# Pocketsphinx's own beams are made for speed: on learners' speech they lose one utterance in two hundred, and
# a few boundaries in a hundred.
BEAMS = {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-100}


class Aligner:
    """Aligns samples with words; a new decoder for each utterance, as an old one would remember what it heard
    before.

    Parameters
    ----------
    model : str
        Folder of an acoustic model in pocketsphinx's form.

    Attributes
    ----------
    rate_hz : int
        Rate of the samples that `align` takes.
    frame_s : float
        Seconds a frame of its times.
    """

    def __init__(self, model):
        self.model = model
        decoder = self._decoder()  # held: its config is gone with it, which pocketsphinx does not say
        self.rate_hz, self.frame_s = int(decoder.config["samprate"]), 1 / decoder.config["frate"]

    def _decoder(self):
        from pocketsphinx import Decoder

        # The best path of the word lattice may give a phone fewer frames than it has states, and then the
        # second pass fails.
        return Decoder(hmm=self.model, lm=None, dict=None, bestpath=False, loglevel="FATAL", **BEAMS)

    def unknown_phones(self, phones):
        """Find those of some phones that the model does not have."""
        decoder = self._decoder()
        return [phone for number, phone in enumerate(phones) if not _add(decoder, f"p{number}", phone)]

    def align(self, samples, pronunciations):
        """Align one utterance.

        Parameters
        ----------
        samples : numpy.ndarray
            Float (N,), in [-1, 1), at `rate_hz`.
        pronunciations : sequence of sequence of tuple of str
            For every word the ways to say it, each the labels of its phones; the likeliest is taken.

        Returns
        -------
        list of list of (str, int, int)
            For every word its phones: label, first frame, number of frames.

        Raises
        ------
        ValueError
            The words and the recording do not fit each other.
        """
        decoder, names = self._decoder(), {}
        for ways in pronunciations:
            if tuple(ways) not in names:
                names[tuple(ways)] = name = f"w{len(names)}"
                for number, way in enumerate(ways, 1):
                    if not _add(decoder, name if number == 1 else f"{name}({number})", " ".join(way)):
                        raise ValueError(f"a phone of '{' '.join(way)}' is not in the model")
        asked = [names[tuple(ways)] for ways in pronunciations]
        sound = np.clip(np.round(np.asarray(samples) * 32768), -32768, 32767).astype("<i2").tobytes()
        try:
            decoder.set_align_text(" ".join(asked))
            _listen(decoder, sound)
            decoder.set_alignment()
            _listen(decoder, sound)
            # Read on the way: a word that is kept while the next one is asked for points nowhere.
            words = [
                (word.name, [(phone.name, phone.start, phone.duration) for phone in word])
                for word in decoder.get_alignment() or ()
            ]
        except RuntimeError:
            words = []
        found = [phones for name, phones in words if name.partition("(")[0] in names.values()]
        said = [tuple(label for label, _, _ in word) for word in found]
        if len(said) != len(asked) or any(
            word not in map(tuple, ways) for word, ways in zip(said, pronunciations)
        ):
            raise ValueError("the recording does not fit its words (too short, or something else was said)")
        return found


def _add(decoder, name, phones):
    try:
        decoder.add_word(name, phones)
    except RuntimeError:  # pocketsphinx's only word for a phone that it does not know
        return False
    return True


def _listen(decoder, sound):
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()


@functools.lru_cache(maxsize=1)
def aligner(model):
    """Make the aligner of a model; one a process."""
    return Aligner(model)
