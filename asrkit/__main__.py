"""`python -m asrkit` is `asrkit`."""

import sys

from asrkit.cli.main import main

sys.exit(main())
