"""Which recordings are too few for other processes to be started."""

import pytest

from asrkit.io.recordings import Recording
from asrkit.workflows.compute_features import is_little


@pytest.mark.parametrize(
    "entries, most, little",
    [
        (["a.wav", "b.wav"], 30, True),
        (["a.wav", "b.wav"], 29, False),
        (["a.wav", "b.wav:7"], 30, True),  # in an archive
        ([], 0, True),
        (["a.wav", "sox b.wav -t wav - |"], 10**9, False),  # who knows
        (["gone.wav"], 10**9, False),
    ],
)
def test_little_is_told_by_the_files(tmp_path, entries, most, little):
    (tmp_path / "a.wav").write_bytes(bytes(10))
    (tmp_path / "b.wav").write_bytes(bytes(20))
    chunks = [[Recording(entry, entry, [(entry, 0.0, -1.0)])] for entry in entries]
    assert is_little(chunks, tmp_path, most) == little
