"""Makes ``python -m settlesim`` the command line."""

from __future__ import annotations

from settlesim.cli import main

if __name__ == "__main__":
    main()
