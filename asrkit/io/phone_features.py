"""Features of a data directory whose phones are trained on or scored: how long their frames are."""

from asrkit.errors import DataError
from asrkit.io.features import read_features


def checked_frame_shift_s(features, given_s=0.0):
    """Determine the frame shift of a FeatureSet: the given one, or for 0 what the data directory says.

    Raises
    ------
    DataError
        The directory's is no frame shift.
    """
    shift_s = given_s or features.frame_shift_s()
    if not 0 < shift_s <= 1:
        raise DataError(
            f"{features.data.path / 'frame_shift'}: {shift_s:g} is no frame shift in seconds (Kaldi writes 0.01)"
        )
    return shift_s


def read_phone_features(directory, phone_set, *, frame_shift_s=0.0, allow_pipes=False):
    """Open the features of a data directory as the models of phones take them.

    Parameters
    ----------
    directory : path
    phone_set : PhoneSet
        Features of another kind than its own are refused.
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
        As of `read_features`; or the frame shift is not the models'.
    """
    features = read_features(directory, frontend=phone_set.frontend, allow_pipes=allow_pipes)
    shift_s = checked_frame_shift_s(features, frame_shift_s)
    if abs(shift_s - phone_set.frame_shift_s) > 1e-9:
        path = features.data.path
        raise DataError(
            f"{path}: frame shift {shift_s:g} s, the model's is {phone_set.frame_shift_s:g} s "
            f"(features of the model's kind; or write the right one into {path / 'frame_shift'})"
        )
    return features, shift_s
