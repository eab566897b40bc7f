"""Hide the fields of a store's instances and events that its charts name as secret."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from settlesim.chart.secrets import HIDDEN, hide, hide_in_snapshot
from settlesim.chart.strict_json import thaw

if TYPE_CHECKING:
    from settlesim.chart import Chart, Snapshot
    from settlesim.ports import ChartStore
    from settlesim.store import DeadLetter, PastSettlement, StoredInstance

__all__ = ["StoreSecrets"]


class StoreSecrets:
    """Hides the values of fields that the charts of a store name as secret.

    Parameters
    ----------
    chart : a further chart, which may not have saved an instance yet
    """

    def __init__(self, store: ChartStore, chart: Chart | None = None) -> None:
        self._fields: dict[str, set[str]] = {}
        for each in store.charts():
            found = json.loads(each.definition.text).get("secret", ())
            self._fields.setdefault(each.definition.chart, set()).update(found)
        if chart is not None:
            self._fields.setdefault(chart.name, set()).update(chart.secret)
        self.of_any = set[str]().union(*self._fields.values())
        """The secret fields of all charts."""

    def knows(self, chart: str) -> bool:
        """Whether a chart is known."""
        return chart in self._fields

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Return a state without its secret values."""
        return hide_in_snapshot(snapshot, self._fields.get(snapshot.chart, ()))

    def instance(self, instance: StoredInstance) -> StoredInstance:
        """Return an instance without its secret values."""
        return replace(instance, snapshot=self.snapshot(instance.snapshot))

    def settlement(self, past: PastSettlement) -> dict[str, Any]:
        """Return a settlement as JSON, without its secret values."""
        shown = None if past.snapshot is None else self.snapshot(past.snapshot)
        found = replace(past, snapshot=shown).to_dict()
        for name in ("event", "calls"):
            if name in found:
                found[name] = hide(found[name], self.of_any)
        return found

    def letter(self, letter: DeadLetter) -> dict[str, Any]:
        """Return a dead letter as JSON, without its secret values.

        Its queue has the name of its chart. If that chart is not known, all data is hidden.
        """
        found: dict[str, Any] = thaw(letter.to_dict())
        body = found["body"]
        if self.knows(letter.queue):
            found["body"] = hide(body, self._fields[letter.queue])
        elif isinstance(body, dict) and body.get("data") is not None:
            found["body"] = {**body, "data": HIDDEN}
        return found
