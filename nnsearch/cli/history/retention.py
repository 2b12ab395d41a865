"""``nnsearch history prune``."""

from __future__ import annotations

import math
import sys
from typing import Annotated

from cyclopts import Parameter

from nnsearch.cli.history.listing import FAMILY, STORE
from nnsearch.errors import ConfigError
from nnsearch.history.store import Store


def prune_store(
    store: Annotated[str, STORE],
    /,
    *,
    keep: Annotated[int | None, Parameter(metavar="N")] = None,
    days: Annotated[float | None, Parameter(metavar="D")] = None,
    family: Annotated[str | None, FAMILY] = None,
) -> int:
    """Remove old solves from a history.

    Args:
        store: a SQLite file, or postgresql://USER@HOST/DATABASE
        keep: remove all but the latest N of each family
        days: remove those that ended more than D days ago
        family: of this one alone
    """
    if keep is None and days is None:
        raise ConfigError("expected --keep or --days, got neither; say which solves stay")
    if (keep is not None and keep < 0) or (days is not None and not 0 <= days < math.inf):
        raise ConfigError("expected 0 or more for --keep and --days, got another number; correct it")
    with Store(store, make=False) as opened:
        removed = opened.prune(keep, days, family)
    sys.stdout.write(f"removed {removed} solves\n")
    return 0
