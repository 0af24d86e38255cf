"""Features that were given, and of which nobody said how they were made: a model of them decodes such features alone."""

from dataclasses import dataclass

from asrkit.errors import DataError
from asrkit.features.kind import FeatureKind


@dataclass(frozen=True)
class GivenFeatures(FeatureKind):
    """No settings: nothing is known."""

    title = "given features"
    hears = False
    rate_hz = frame_shift_s = dim = None

    def compute(self, samples):
        raise DataError(
            "the model was trained on features that nobody said how to make; it can decode such features, not recordings "
            "(train on features that asrkit computes)"
        )

    def describe(self):
        return "given, nobody said how they were made"
