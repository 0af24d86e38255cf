"""What is odd about recordings that are read all the same: warnings, one for many recordings."""

import logging
from dataclasses import dataclass

from asrkit.audio.level import BetterChannel
from asrkit.audio.samples import OTHER_SCALE, WARN_FULL_SCALES

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class Remarks:
    """What is odd about a recording.

    Attributes
    ----------
    channels : int
    channel : int
        The one that is used.
    better : BetterChannel or None
        The one that was rather meant.
    peak : float
        The largest sample, in times of full scale.
    name : str
        The recording, as it was named to be read.
    """

    channels: int = 1
    channel: int = 0
    better: BetterChannel | None = None
    peak: float = 0.0
    name: str = ""

    def lines(self):
        """The warnings of a single recording."""
        lines, name = [], self.name
        if self.channels > 1:
            used = f"{name}: {self.channels} channels, channel {self.channel} is used"
            lines.append(used + (f", but {self.why()}" if self.better else ""))
        if self.peak >= WARN_FULL_SCALES:
            lines.append(f"{name}: samples up to {self.peak:g} times full scale ({OTHER_SCALE})")
        return lines

    def why(self):
        """Why the other channel was rather meant."""
        if self.better.lead_db is None:
            why = f"it is as steady as noise, and channel {self.better.channel} is not"
        else:
            why = f"another channel is far louder: channel {self.better.channel}, by {self.better.lead_db:.0f} dB"
        return f"{why} (channel={self.better.channel} takes it)"


def warn_of(remarks, used=True):
    """Log one warning of each kind for all recordings, where one each would bury the rest.

    Parameters
    ----------
    remarks : dict of str to Remarks or None
        By recording.
    used : bool
        False: the channel has not been used yet, so having several is no news.
    """
    remarks = {name: odd for name, odd in remarks.items() if odd}
    several = {name: odd for name, odd in remarks.items() if odd.channels > 1}
    if several and used:
        name, odd = next(iter(several.items()))
        log.warning(
            "%d recordings (%s, ...) have several channels: channel %d is used (channel=%d; strict=true refuses them)",
            len(several),
            name,
            odd.channel,
            odd.channel,
        )
    better = {name: odd for name, odd in several.items() if odd.better}
    if better:
        name, odd = next(iter(better.items()))
        log.warning(
            "%d recordings have more in another channel than in channel %d, first %s: %s",
            len(better),
            odd.channel,
            _both(name, odd),
            odd.why(),
        )
    loud = {name: odd for name, odd in remarks.items() if odd.peak >= WARN_FULL_SCALES}
    if loud:
        name, odd = max(loud.items(), key=lambda item: item[1].peak)
        log.warning(
            "%d recordings hold samples of %d times full scale or more, %s up to %g times (%s)",
            len(loud),
            WARN_FULL_SCALES,
            _both(name, odd),
            odd.peak,
            OTHER_SCALE,
        )


def _both(name, odd):
    """The utterance, and the recording where that is called otherwise."""
    return name if odd.name in ("", name) else f"{name} ({odd.name})"
