"""Runs the command line with ``python -m settlesim``."""

from __future__ import annotations

from settlesim.cli import main

if __name__ == "__main__":
    main()
