"""asrkit: isolated-word speech recognition with classic models, in Kaldi's manner."""

__version__ = "0.1.0"
