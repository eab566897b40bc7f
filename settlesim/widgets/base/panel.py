"""`Panel`: the base of every live view.

Theory of operation
-------------------
Python holds all state and all logic; the front end shows *parts* and sends *messages*.
A part is plain JSON under a name, a trait of the widget, so it is still there when the page
is loaded again. A message is ``{"kind": "...", ...}`` and calls the method ``on_<kind>``
with its other fields; a test sends the same messages that the front end sends.

* All messages are handled in the thread in which the panel was made (`Home`).
* An error while a message is handled is shown in the panel, with its traceback folded, and kept
  in `errors`; the panel continues to work.
* The widget is made when the panel is first shown. Before that, and where no front end shows
  widgets, there is only the static twin: a picture and a line of text. In a notebook the twin is
  the output of the cell, and the widget takes its place while the kernel runs (`seat_html`).
* A panel is itself a widget, a box around its front end: it can be put into other boxes, and its
  `observable` properties can be observed and linked. Its model is opened when a box asks for it.
* `close` ends tasks and timers and closes the widget; a cell that runs again closes the panels
  that it made before.

To make a panel: subclass, name its `kind`, `scripts`, `styles` and `part_names`, set parts
with `show` (within `together` for several at once), write ``on_...`` methods, and implement
`twin` and `__repr__`.
"""

from __future__ import annotations

import contextlib
import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final

import ipywidgets
import traitlets
from IPython.utils.generics import complete_object

from settlesim.errors import (
    InvalidValueError,
    RenderError,
    SettlesimError,
    error_message,
    shorten,
)
from settlesim.view.svg.page import on_page
from settlesim.view.svg.palette import follows_page
from settlesim.widgets.base.hosting import output, require_widgets, watch
from settlesim.widgets.base.observable import observable
from settlesim.widgets.base.seat import seat_html
from settlesim.widgets.base.thread import Home

__all__ = ["Panel", "traceback_of"]

_COMMON: Final = ("error", "said", "heard")
"""The parts of every panel: its error, words for a screen reader, how many messages came."""
_KEPT_ERRORS: Final = 50
_LONGEST_TRACE: Final = 20_000


_OF_WIDGETS: Final = ("layout", "observe", "unobserve")
_FOR_AUTHORS: Final = frozenset(
    (
        *("cell_ended", "fail", "home", "kind", "model_id", "open", "part_names", "parts"),
        *("receive", "say", "scripts", "send", "show", "stage_changed", "stage_failed", "stop"),
        *("styles", "together", "twin", "value"),
    )
)
"""Names that the author of a panel needs, or a box around it, but not a user."""


class Panel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A live view, which is a widget: the base of all panels."""

    kind: ClassVar[str]
    """The CSS class of its element on the page, which its script and its styles name."""
    scripts: ClassVar[tuple[str, ...]]
    """Files in ``view/static``; the last one exports ``render``."""
    styles: ClassVar[tuple[str, ...]] = ()
    part_names: ClassVar[tuple[str, ...]] = ()
    """The parts that the front end shows, besides those of every panel."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Restore the signature of the panel, which the class of a widget hides."""
        super().__init_subclass__(**options)
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        cls.__signature__ = inspect.Signature(parameters)

    def __init__(self) -> None:
        require_widgets(type(self).__name__)
        super().__init__()
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
        self._nested = 0
        self._observed: dict[str, Any] = {}
        watch.add(self)

    # --- parts ----------------------------------------------------------------------------

    def show(self, **parts: Any) -> None:
        """Set parts; the front end is told of those that have changed."""
        unknown = parts.keys() - self.parts.keys()
        if unknown:
            raise KeyError(f"{type(self).__name__} has no part {sorted(unknown)}")
        with self.together():
            self.parts.update(parts)
            if self._widget is not None and not self.closed:
                for name, value in parts.items():
                    setattr(self._widget, name, value)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Send what is set within as one message, and tell observers once."""
        connected = self._widget is not None and not self.closed
        with self.home.alone():
            self._nested += 1
            try:
                with self._widget.hold_sync() if connected else contextlib.nullcontext():
                    yield
            finally:
                self._nested -= 1
            if not self._nested:
                self._tell_observers()

    # --- observers ------------------------------------------------------------------------

    def observe(
        self,
        handler: Any,
        names: Any = traitlets.All,
        type: str = "change",  # noqa: A002
    ) -> None:
        """Call `handler` when a trait changes; `names` is one name, several, or all."""
        super().observe(handler, names, type)
        wanted = [names] if isinstance(names, str) else names
        for name, trait in self.traits().items():
            if isinstance(trait, observable) and (wanted is traitlets.All or name in wanted):
                self._observed.setdefault(name, getattr(self, name))

    def _tell_observers(self) -> None:
        for name, old in list(self._observed.items()):
            new = getattr(self, name)
            if new != old:
                self._observed[name] = new
                self.notify_change(
                    traitlets.Bunch(name=name, old=old, new=new, owner=self, type="change")
                )

    def say(self, text: str) -> None:
        """Have a screen reader say what happened; it does not repeat the same text."""
        if self.parts["said"] and self.parts["said"]["text"] == text:
            return
        self._said += 1
        self.show(said={"number": self._said, "text": text})

    # --- messages -------------------------------------------------------------------------

    def receive(self, message: Any) -> None:
        """Handle a message of the front end, in the panel's thread."""
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
            handler = self._handler(message["kind"])
            with self.together():
                handler(**fields)
        except Exception as error:
            self.fail(error)

    def _handler(self, kind: str) -> Callable[..., None]:
        name = f"on_{kind}"
        for each in type(self).__mro__:  # not methods of ipywidgets with such a name
            if issubclass(each, Panel) and name in vars(each):
                found: Callable[..., None] = getattr(self, name)
                return found
        raise InvalidValueError(where="message", reason=f"of kind {shorten(kind)} is unknown")

    def on_forget(self) -> None:
        """Remove the error that is shown."""
        self.show(error=None)

    # --- errors ---------------------------------------------------------------------------

    def fail(self, error: BaseException, doing: str = "") -> None:
        """Show an error, with what was being done; it is kept in `errors` as well."""
        self.errors.append(error)
        del self.errors[:-_KEPT_ERRORS]
        self._failed += 1
        kind = type(error).__name__
        text = (
            str(error) if isinstance(error, SettlesimError) else f"{kind}: {error_message(error)}"
        )
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

    def open(self) -> None:
        """Do nothing: a panel needs its model only within a box, and then `model_id` opens it."""

    @property
    def model_id(self) -> Any:
        """The id of the panel's model, which is opened when a box around the panel asks for it."""
        if self.comm is None and not self.closed:
            self.children = (self.widget,)
            super().open()
        return super().model_id

    def __dir__(self) -> list[str]:
        """Return the names for a user: neither those of ipywidgets nor handlers of messages."""
        classes = [each for each in type(self).__mro__ if issubclass(each, Panel)]
        names = {name for each in classes for name in vars(each)} | vars(self).keys()
        hidden = {name for name in names if name.startswith(("_", "on_"))}
        return sorted((names - hidden - _FOR_AUTHORS) | {*_OF_WIDGETS})

    def twin(self) -> str:
        """Return the panel as it is now, for readers without a kernel: SVG, or HTML with SVG."""
        raise NotImplementedError

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        words = repr(self)
        picture = twin = None
        with contextlib.suppress(RenderError):  # the text says it too
            picture = self.twin()
            twin = on_page(picture, words, follows=follows_page(None))
        kind = "twin" if self.closed else output()
        if kind == "seat":
            return {"text/html": seat_html(self.widget.seat, twin, words), "text/plain": words}
        found: dict[str, Any] = {"text/plain": words}
        if picture is not None and twin is not None:
            found["text/html"] = twin
            if picture.startswith("<svg"):  # for converters that show no HTML
                found["image/svg+xml"] = picture
        if kind == "view":
            made = self.widget._repr_mimebundle_()
            found = {**(made[0] if isinstance(made, tuple) else made), **found}
        return found

    # --- the end --------------------------------------------------------------------------

    def cell_ended(self) -> None:
        """Do nothing; a subclass updates here what a cell may have changed."""

    def close(self) -> None:
        """End the panel: tasks, timers and the connection to the page. Closing twice is fine."""
        if self.closed:
            return
        self.closed = True
        self.stop()
        for each in (self, self._widget):
            if each is not None and each.comm is not None:
                layout = each.layout  # a model of its own, which nobody else would close
                ipywidgets.Widget.close(each)
                layout.close()
        self.__dict__.pop("_repr_mimebundle_", None)  # closing hid it; the twin is still shown

    def __del__(self) -> None:
        """Do nothing: a cell, or whoever opened the panel, closes it."""

    def stop(self) -> None:
        """Do nothing; a subclass that starts tasks or timers ends them here."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()


def traceback_of(error: BaseException) -> str:
    """Return the traceback as text, with its causes; the end of a long one."""
    text = "".join(traceback.format_exception(error))
    return text if len(text) <= _LONGEST_TRACE else "...\n" + text[-_LONGEST_TRACE:]


@complete_object.register(Panel)
def _completions(panel: Panel, found: list[str]) -> list[str]:
    """Return what Tab offers; IPython would otherwise add all names of the class."""
    return dir(panel)
