"""How loud samples are, and whether there is anything to hear."""

import numpy as np


def silence_reason(samples):
    """Why these samples hold nothing to hear, or None."""
    if not len(samples):
        return "no samples"
    if not np.abs(samples - samples.mean()).max() > 1e-4:  # about three steps of 16-bit sound
        return "silent"
    return None
