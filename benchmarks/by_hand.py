"""The statements of a `SqliteStore` written by hand on sqlite3, to be compared with it.

The tables, the rules of one event and the durability are the same. Left out are the checks of
arguments, errors and forks, the chart version of a message, and all types except `dict` and `str`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

__all__ = ["ByHand", "Received"]

Received = tuple[int, int, str, Any, str]
"""Id, ordinal of the reception, key, body, and deduplication id of a message."""

_WINDOW: Final = 300.0
_MARKS: Final = 86_400.0
_VISIBILITY: Final = 30.0
_HISTORY: Final = 10
_TWELVE_HOURS: Final = 43_200.0


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]


class ByHand:
    """A queue and its instances in a file that a `SqliteStore` has created.

    Parameters
    ----------
    path : of the file
    queue : the name of the queue
    """

    def __init__(self, path: Path, queue: str) -> None:
        self.queue = queue
        self._run = sqlite3.connect(path, isolation_level=None, timeout=30.0).execute
        self._level = ""

    def _begin(self, level: str) -> None:
        if level != self._level:
            self._run(f"PRAGMA synchronous={level}")
            self._level = level
        self._run("BEGIN IMMEDIATE")

    def _update_head(self, key: str) -> None:
        run, queue = self._run, self.queue
        head = run(
            "SELECT id, sent_at, visible_at FROM messages WHERE queue = ?1 AND group_id = ?2"
            " AND ordered = 1 AND NOT EXISTS (SELECT 1 FROM parked WHERE queue = ?1"
            " AND group_id = ?2) ORDER BY id LIMIT 1",
            (queue, key),
        ).fetchone()
        if head is None:
            run("DELETE FROM heads WHERE queue = ? AND name = ?", (queue, f"={key}"))
            return
        held = run(
            "SELECT max(visible_at) FROM messages WHERE queue = ? AND group_id = ?"
            " AND ordered = 1 AND in_flight = 1",
            (queue, key),
        ).fetchone()[0]
        run(
            "INSERT OR REPLACE INTO heads VALUES(?, ?, ?, ?, ?, ?)",
            (queue, f"={key}", key, head[0], head[1], max(head[2], held or 0.0)),
        )

    def send(self, body: Any, key: str, event_id: str) -> None:
        """Accept an event, unless its id is known."""
        run, queue, now, text = self._run, self.queue, time.time(), _text(body)
        self._begin("FULL")
        known = run(
            "SELECT digest, message FROM deduplication AS known WHERE queue = ? AND scope = ?"
            " AND id = ? AND (until > ? OR EXISTS"
            " (SELECT 1 FROM messages WHERE id = message AND queue = known.queue))",
            (queue, key, event_id, now),
        ).fetchone()
        if known is None:
            number = run(
                "INSERT INTO messages(queue, group_id, ordered, body, deduplication_id, sent_at,"
                " visible_at, in_flight, receives, answered, failures, errors)"
                " VALUES(?, ?, 1, ?, ?, ?, 0, 0, 0, 0, 0, '[]')",
                (queue, key, text, event_id, now),
            ).lastrowid
            self._update_head(key)
            run(
                "INSERT OR REPLACE INTO deduplication VALUES(?, ?, ?, ?, ?, ?, ?)",
                (queue, key, event_id, _digest(text), number, now + _WINDOW, _WINDOW),
            )
            run(
                "SELECT queue, scope, id, message FROM deduplication"
                " WHERE until <= ? ORDER BY until LIMIT 2",
                (now,),
            ).fetchall()
        run("COMMIT")

    def receive(self) -> Received | None:
        """Return the next message, and hide it."""
        run, now = self._run, time.time()
        if self._next(now) is None:
            return None
        self._begin("NORMAL")
        run(
            "SELECT 1 FROM heads WHERE queue = ? AND visible_at > ? LIMIT 1",
            (self.queue, now + _TWELVE_HOURS),
        ).fetchone()
        number = self._next(now)
        if number is None:
            run("COMMIT")
            return None
        key, text, event_id, receives = run(
            "SELECT group_id, body, deduplication_id, receives FROM messages WHERE id = ?",
            (number,),
        ).fetchone()
        run(
            "UPDATE messages SET visible_at = ?, in_flight = 1, receives = ? WHERE id = ?",
            (now + _VISIBILITY, receives + 1, number),
        )
        self._update_head(key)
        run("COMMIT")
        return number, receives + 1, key, json.loads(text), event_id

    def _next(self, now: float) -> int | None:
        found = [
            *self._run(
                "SELECT message, sent_at FROM heads WHERE queue = ? AND visible_at = 0"
                " ORDER BY message LIMIT 10",
                (self.queue,),
            ).fetchall(),
            *self._run(
                "SELECT message, visible_at FROM heads WHERE queue = ? AND visible_at > 0"
                " AND visible_at <= ? ORDER BY visible_at, message LIMIT 10",
                (self.queue, now),
            ).fetchall(),
        ]
        return min(found, key=lambda each: (each[1], each[0]))[0] if found else None

    def load(self, key: str) -> tuple[int, dict[str, Any]]:
        """Return revision and context of an instance."""
        row = self._run(
            "SELECT chart, version, configuration, context, revision FROM instances WHERE key = ?",
            (key,),
        ).fetchone()
        return (0, {}) if row is None else (row[4], json.loads(row[3]))

    def commit(
        self, received: Received, expected: int, context: dict[str, Any], record: dict[str, Any]
    ) -> None:
        """Consume a message and save the new state, in one transaction."""
        run, queue, now = self._run, self.queue, time.time()
        number, receives, key, _, event_id = received
        self._begin("FULL")
        text, found_receives, in_flight = run(
            "SELECT body, receives, in_flight FROM messages WHERE id = ?", (number,)
        ).fetchone()
        assert (found_receives, in_flight) == (receives, 1)
        run("DELETE FROM messages WHERE id = ?", (number,))
        self._update_head(key)
        run(
            "UPDATE deduplication SET until = ? + seconds WHERE queue = ? AND scope IN (?, '')"
            " AND id = ? AND message = ?",
            (now, queue, key, event_id, number),
        )
        row = run("SELECT revision FROM instances WHERE key = ?", (key,)).fetchone()
        assert (0 if row is None else row[0]) == expected
        saved = _text(context)
        run(
            "INSERT INTO instances VALUES(?, 'c', 1, ?, '[\"on\"]', ?, 0, ?, NULL, NULL)"
            " ON CONFLICT DO UPDATE SET chart = excluded.chart, version = excluded.version,"
            " revision = excluded.revision, configuration = excluded.configuration,"
            " context = excluded.context, final = excluded.final, saved_at = excluded.saved_at",
            (key, expected + 1, saved, now),
        )
        known = run(
            "SELECT 1 FROM marks WHERE key = ? AND id = ? AND until > ?", (key, event_id, now)
        ).fetchone()
        assert known is None
        run(
            "DELETE FROM marks WHERE (key, id) IN"
            " (SELECT key, id FROM marks WHERE until <= ? ORDER BY until LIMIT 2)",
            (now,),
        )
        run(
            "INSERT OR REPLACE INTO marks VALUES(?, ?, ?, 'resolved', ?, ?)",
            (key, event_id, expected + 1, _digest(text), now + _MARKS),
        )
        snapshot = _text(
            {
                "chart": "c",
                "version": 1,
                "revision": expected + 1,
                "configuration": ["on"],
                "context": context,
            }
        )
        run(
            "INSERT INTO settlements(key, revision, at, record, snapshot) VALUES(?, ?, ?, ?, ?)",
            (key, expected + 1, now, _text(record), snapshot),
        )
        run(
            "DELETE FROM settlements WHERE key = ?1 AND number <= (SELECT number FROM settlements"
            " WHERE key = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            (key, _HISTORY),
        )
        run("COMMIT")
