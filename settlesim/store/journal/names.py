"""Whether open files still have the names under which they were opened."""

from __future__ import annotations

from settlesim.store.journal.files import FileSystem

__all__ = ["Names"]


class Names:
    """Asks each file only where a name in their folder may have changed since.

    That is cheaper, and it leaves the files' times alone: since Linux 6.13 a file whose times
    were looked at gets a new one, to the nanosecond, when it is written next, and a sync has to
    bring that to the disk, for which it takes a third longer.

    Parameters
    ----------
    folder : where all the names are

    References
    ----------
    The Linux kernel, ``Documentation/filesystems/multigrain-ts.rst``.
    """

    def __init__(self, files: FileSystem, folder: str) -> None:
        self._files = files
        self._folder = folder
        self._stamp: object = None
        self._found: dict[str, int] = {}
        """The descriptors that were found at their paths since there was this stamp."""
        self.changes = 0
        """Another number after each look that found, or may have missed, a change of a name."""

    def look(self) -> None:
        """Look at the folder: what `lead_to` says is said of this moment."""
        stamp = self._files.names_stamp(self._folder, self._stamp)
        if stamp is None or stamp != self._stamp:
            self._found.clear()  # first, for `still_lead_to`
            self._stamp = stamp
            self.changes += 1

    def still_lead_to(self, descriptor: int, path: str) -> bool:
        """Say whether it is known without asking that the open file is the one at `path`.

        Other threads may `look` and ask at the same time: what was found under a stamp is
        true as long as the folder has it.
        """
        stamp = self._stamp
        return (
            stamp is not None
            and self._files.names_stamp(self._folder, stamp) == stamp
            and self._found.get(path) == descriptor
        )

    def lead_to(self, descriptor: int, path: str) -> bool:
        """Say whether the open file is the one at `path`.

        Raises
        ------
        OSError
            The system refused.
        """
        if self._found.get(path) == descriptor:
            return True
        if self._files.is_at(descriptor, path):
            if not self._files.is_link(path):  # which leads into a folder that nobody looks at
                self._found[path] = descriptor
            return True
        return False
