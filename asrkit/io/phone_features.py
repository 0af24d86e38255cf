"""Features of a data directory whose phones are trained on or scored: how far apart their frames are, and whether
the alignment fits them.
"""

from asrkit.errors import DataError
from asrkit.io.alignment_fit import refuse_unfit
from asrkit.io.features import read_features


def fitting_frame_shift_s(features, alignment, ali, given_s=0.0):
    """Determine the frame shift of features that an alignment must fit.

    Parameters
    ----------
    features : FeatureSet
    alignment : dict of str to sequence of Phone
    ali : path
        Of the alignment, for messages.
    given_s : float
        0: what the data directory says, else Kaldi's 10 ms.

    Raises
    ------
    DataError
        The directory's is no frame shift; or the alignment has another time scale.
    """
    shift_s = given_s or features.frame_shift_s()
    refuse_unfit(ali, alignment, features, shift_s, bool(given_s))
    return shift_s


def read_phone_features(directory, phone_set, alignment, ali, *, frame_shift_s=0.0, allow_pipes=False):
    """Open the features of a data directory as the models of phones take them.

    Parameters
    ----------
    directory : path
    phone_set : PhoneSet
        Features of another kind than its own are refused.
    alignment : dict of str to sequence of Phone
    ali : path
        Of the alignment, for messages.
    frame_shift_s : float
        0: what the directory says.

    Returns
    -------
    features : FeatureSet
    shift_s : float
        Their frame shift.

    Raises
    ------
    DataError
        As of `read_features`; the frame shift is not the models', or not the alignment's.
    """
    features = read_features(directory, frontend=phone_set.frontend, allow_pipes=allow_pipes)
    shift_s = frame_shift_s or features.frame_shift_s()
    if abs(shift_s - phone_set.frame_shift_s) > 1e-9:
        path = features.data.path
        raise DataError(
            f"{path}: frame shift {shift_s:g} s, the model's is {phone_set.frame_shift_s:g} s "
            f"(features of the model's kind; or write the right one into {path / 'frame_shift'})"
        )
    refuse_unfit(ali, alignment, features, shift_s, bool(frame_shift_s))
    return features, shift_s
