"""Which format the files of a store have: both of one store the same."""

from __future__ import annotations

from typing import Final

from settlesim.errors import StoreUnavailableError

__all__ = ["FORMAT", "STORE", "newer"]

FORMAT: Final = 2
"""What is written. The first one had no journal and no checksums."""

STORE: Final = "settlesim"
"""By which a file is known as one of a store."""


def newer(path: str, found: object) -> StoreUnavailableError:
    """Return the error for a file of a format that is not known yet."""
    return StoreUnavailableError(
        path=path,
        reason=f"it has format {found}, and this version of settlesim reads formats up to "
        f"{FORMAT}. Use the version that wrote it, or a newer one.",
    )
