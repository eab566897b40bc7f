"""The mutants: each takes one piece of the product's safety away."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """The product with one piece replaced."""

    name: str
    module: str
    old: str
    """A piece of the module's source that is there once."""
    new: str
    tests: tuple[str, ...]
    """Those that should notice."""

    def apply(self, source: str) -> str:
        """Return the source with the piece replaced.

        Raises
        ------
        ValueError
            The piece is not there once: the mutant has to follow what the product became.
        """
        if source.count(self.old) != 1:
            raise ValueError(
                f"mutant {self.name!r} replaces a piece that is {source.count(self.old)} times "
                f"in {self.module}:\n{self.old}"
            )
        return source.replace(self.old, self.new)


MUTANTS: tuple[Mutant, ...] = ()
