"""``python -m nnsearch`` is the ``nnsearch`` command."""

import sys

from nnsearch.cli.main import main

sys.exit(main())
