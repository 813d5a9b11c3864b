"""`python -m hanse.cli` is the `hanse` command."""

import sys

from hanse.cli.main import main

sys.exit(main())
