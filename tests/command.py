"""What tests of commands share."""

from asrkit.cli import main as cli

MFCC = ["--sample-frequency=8000", "--use-energy=false"]


def asrkit(*words, status=0):
    """Run an asrkit command in this process; its exit status must be `status`."""
    assert cli.main([str(word) for word in words]) == status
