"""`Panel`: the base of every live view.

Theory of operation
-------------------
Python holds all state and all logic; the front end shows *parts* and sends *messages*.
A part is plain JSON under a name, a trait of the widget, so it is still there when the page
is loaded again. A message is ``{"kind": "...", ...}`` and calls the method ``on_<kind>``
with its other fields; a test sends the same messages that the front end sends.

* All messages are handled in the thread in which the panel was made (`Home`).
* Whatever goes wrong while a message is handled is shown in the panel with its traceback
  folded, and kept in `errors`; the panel goes on working.
* The widget is made when the panel is first shown. Before that, and where nobody looks, there
  is only the static twin: a picture and a line of text. In a notebook the twin is the output of
  the cell, and the widget takes its place as long as the kernel is there (`seat_html`).
* `close` ends tasks and timers and closes the widget; a cell that runs again closes what it made.

To make a panel: subclass, name its `kind`, `scripts`, `styles` and `part_names`, set parts
with `show` (within `together` for several at once), write ``on_...`` methods, and implement
`twin` and `__repr__`.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from settlesim.errors import InvalidValueError, RenderError, SettlesimError, shorten
from settlesim.widgets.base.hosting import output, require_widgets, watch
from settlesim.widgets.base.seat import seat_html
from settlesim.widgets.base.thread import Home

__all__ = ["Panel", "traceback_of"]

_COMMON: Final = ("error", "said", "heard")
"""The parts of every panel: what went wrong, what to say aloud, how many messages came."""
_KEPT_ERRORS: Final = 50
_LONGEST_TRACE: Final = 20_000


class Panel:
    """A live view: what is common to all of them."""

    kind: ClassVar[str]
    """The class of its element on the page, as the script calls it; its styles are for it alone."""
    scripts: ClassVar[tuple[str, ...]]
    """Files in ``view/static``; the last one exports ``render``."""
    styles: ClassVar[tuple[str, ...]] = ()
    part_names: ClassVar[tuple[str, ...]] = ()
    """What the front end shows, beside what is common to all."""

    def __init__(self) -> None:
        require_widgets(type(self).__name__)
        self.home = Home()
        self.parts: dict[str, Any] = dict.fromkeys((*self.part_names, *_COMMON))
        """What the front end shows now, plain JSON by name."""
        self.errors: list[BaseException] = []
        """What went wrong, oldest first."""
        self.closed = False
        self._widget: Any = None
        self._said = 0
        self._failed = 0
        self._heard = 0
        watch.add(self)

    # --- parts ----------------------------------------------------------------------------

    def show(self, **parts: Any) -> None:
        """Set parts; the front end is told of those that have changed."""
        unknown = parts.keys() - self.parts.keys()
        if unknown:
            raise KeyError(f"{type(self).__name__} has no part {sorted(unknown)}")
        self.parts.update(parts)
        if self._widget is not None and not self.closed:
            with self._widget.hold_sync():
                for name, value in parts.items():
                    setattr(self._widget, name, value)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Send what is set within as one message."""
        if self._widget is None or self.closed:
            yield
        else:
            with self._widget.hold_sync():
                yield

    def say(self, text: str) -> None:
        """Have a screen reader say what happened; once, if it is said again."""
        if self.parts["said"] and self.parts["said"]["text"] == text:
            return
        self._said += 1
        self.show(said={"number": self._said, "text": text})

    # --- messages -------------------------------------------------------------------------

    def receive(self, message: Any) -> None:
        """Handle a message of the front end, at home."""
        self.home.run(self._handle, message)

    def _handle(self, message: Any) -> None:
        if self.closed:
            return
        self._heard += 1
        self.show(heard=self._heard)
        try:
            if not isinstance(message, Mapping) or not isinstance(message.get("kind"), str):
                raise InvalidValueError(where="message", reason=f"is {shorten(message)}")
            fields = {str(key): value for key, value in message.items() if key != "kind"}
            handler = getattr(self, f"on_{message['kind']}", None)
            if handler is None:
                raise InvalidValueError(
                    where="message", reason=f"of kind {shorten(message['kind'])} is unknown"
                )
            with self.together():
                handler(**fields)
        except Exception as error:
            self.fail(error)

    def on_forget(self) -> None:
        """Take the error away that is shown."""
        self.show(error=None)

    # --- errors ---------------------------------------------------------------------------

    def fail(self, error: BaseException, doing: str = "") -> None:
        """Show an error, with what was being done; it is kept in `errors` as well."""
        self.errors.append(error)
        del self.errors[:-_KEPT_ERRORS]
        self._failed += 1
        kind = type(error).__name__
        text = str(error) if isinstance(error, SettlesimError) else f"{kind}: {error}"
        self.show(
            error={
                "number": self._failed,
                "kind": kind,
                "doing": doing,
                "text": text[:4_000],
                "traceback": traceback_of(error),
            }
        )

    # --- showing --------------------------------------------------------------------------

    @property
    def widget(self) -> Any:
        """The anywidget that shows this panel; it is made when it is first asked for."""
        if self._widget is None:
            from settlesim.widgets.base.front import front_end

            self._widget = front_end(
                type(self).__name__,
                self.kind,
                self.scripts,
                self.styles,
                self.parts,
                receive=self.receive,
            )
        return self._widget

    def twin(self) -> str | dict[str, str]:
        """Return the panel as it is now, for readers without a kernel: SVG, or by media type."""
        raise NotImplementedError

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        words = repr(self)
        twin: str | dict[str, str] | None = None
        with contextlib.suppress(RenderError):  # the text says it too
            twin = self.twin()
        kind = "twin" if self.closed else output()
        if kind == "seat":
            return {"text/html": seat_html(self.widget.seat, twin, words), "text/plain": words}
        found: dict[str, Any] = {"text/plain": words}
        if twin is not None:
            found |= {"image/svg+xml": twin} if isinstance(twin, str) else twin
        if kind == "view":
            made = self.widget._repr_mimebundle_()
            found = {**(made[0] if isinstance(made, tuple) else made), **found}
        return found

    # --- the end --------------------------------------------------------------------------

    def cell_ended(self) -> None:
        """Look whether what is shown has changed; does nothing here."""

    def close(self) -> None:
        """End the panel: tasks, timers and the connection to the page. Closing twice is fine."""
        if self.closed:
            return
        self.closed = True
        self.stop()
        if self._widget is not None:
            layout = self._widget.layout  # a model of its own, which nobody else would close
            self._widget.close()
            layout.close()

    def stop(self) -> None:
        """End what runs; subclasses that start tasks or timers do it here."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()


def traceback_of(error: BaseException) -> str:
    """Return the traceback as text, with its causes; the end of a long one."""
    text = "".join(traceback.format_exception(error))
    return text if len(text) <= _LONGEST_TRACE else "...\n" + text[-_LONGEST_TRACE:]
