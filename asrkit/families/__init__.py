"""The model families. A new family is one new file here: `Config`, `init()`, `from_arrays()`.

Config : frozen dataclass of `asrkit.config.option` fields.
init(config, block, rng) -> WordModel : where training starts.
from_arrays(arrays) -> WordModel : the inverse of the model's `to_arrays`.
OBSERVATIONS : "features" or "codes", what the family's blocks hold.
"""

import importlib
import pkgutil


def names():
    """Every family, in alphabetic order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name):
    """The module of the family `name`."""
    return importlib.import_module(f"asrkit.families.{name}")
