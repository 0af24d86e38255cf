"""What tests of commands share."""

from asrkit import cli

MFCC = ["--sample-frequency=8000", "--use-energy=false"]


def asrkit(*words, status=0):
    """Run an asrkit command in this process; its exit status must be `status`."""
    assert cli.main([str(word) for word in words]) == status
