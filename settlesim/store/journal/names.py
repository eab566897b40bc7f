"""Whether open files still have the names under which they were opened."""

from __future__ import annotations

from contextlib import suppress

from settlesim.store.journal.files import FileSystem
from settlesim.store.wall import wall_clock

__all__ = ["PATIENCE", "Names"]

PATIENCE = 0.02
"""Seconds for which it is taken that the path still leads into the same folder, and that nobody
has written into the snapshot; where a name in the folder was changed both are looked at at once.
What is saved meanwhile is saved as if it had been before."""


class Names:
    """Asks each file only where a name in their folder may have changed since.

    That is cheaper, and it leaves the files' times alone: since Linux 6.13 a file whose times
    were looked at gets a new one, to the nanosecond, when it is written next, and a sync has to
    bring that to the disk, for which it takes a third longer. The folder is open, as it takes
    half the time to ask for its times where no path has to be followed.

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
        self._descriptor = -1
        self._stamp: object = None
        self._found: dict[str, int] = {}
        """The descriptors that were found at their paths since there was this stamp."""
        self._followed_at = self._looked_at = -1.0
        """When the path was found to lead into the folder, and when there was a whole look, in
        seconds since the epoch."""
        self.looks = 0
        """Another number after each look that was more than one at the times of the folder."""

    def look(self) -> None:
        """Look at the folder: what `lead_to` says is said of this moment."""
        if 0 <= wall_clock() - self._looked_at < PATIENCE:
            stamp = self._files.names_stamp(self._descriptor, self._stamp)
            if stamp is not None and stamp == self._stamp:
                return
        self.look_anew()

    def look_anew(self) -> None:
        """Look at the folder and follow its path, however short ago that was done."""
        now = wall_clock()
        self.looks += 1
        files = self._files
        if self._descriptor < 0 or not self._are_in_place():
            self._found.clear()  # first, for `still_lead_to`
            self._stamp = None
            self.close()
            with suppress(OSError):  # then each file is asked each time
                self._descriptor = files.open_folder(self._folder)
        stamp = None if self._descriptor < 0 else files.names_stamp(self._descriptor, self._stamp)
        if stamp is None or stamp != self._stamp:
            self._found.clear()
            self._stamp = stamp
        self._followed_at = self._looked_at = now

    def _are_in_place(self) -> bool:
        try:
            return not self.have_moved()
        except OSError:
            return False

    def have_moved(self) -> bool:
        """Say whether the path does not lead into the folder that was looked at, so far as known.

        Raises
        ------
        OSError
            The system refused.
        """
        return self._descriptor >= 0 and not self._files.is_at(self._descriptor, self._folder)

    def still_lead_to(self, descriptor: int, path: str) -> bool:
        """Say whether it is known without asking that the open file is the one at `path`.

        Other threads may `look` and ask at the same time: what was found under a stamp is
        true as long as the folder has it.
        """
        stamp, now = self._stamp, wall_clock()
        if stamp is None:
            return False
        if not 0 <= now - self._followed_at < PATIENCE:
            if not self._are_in_place():
                return False
            self._followed_at = now
        return (
            self._files.names_stamp(self._descriptor, stamp) == stamp
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

    def close(self) -> None:
        """Let the folder go; a look would open it again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                self._files.close(descriptor)

    def __del__(self) -> None:
        with suppress(BaseException):  # a finalizer has nobody to tell
            self.close()
