"""The tables of a store in SQLite, and the numbers by which a file is recognized as a store.

Bodies, contexts, configurations and records are JSON text; times are seconds since the epoch.
The table `heads` is derived from the messages: it has the next message of each group that is not
parked. Every change to the messages of a group rewrites the group's row in the same transaction
(see `settlesim.store.messages`).
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ADDED_COLUMNS",
    "ADDED_INDEXES",
    "ADDED_TABLES",
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "TABLES",
]

APPLICATION_ID: Final = 0x5E771E51
"""SQLite keeps it in the file's header; it tells a store from another program's database."""
SCHEMA_VERSION: Final = 3
"""Increased when older versions of this library can no longer read the tables."""

ADDED_COLUMNS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "instances": (("fingerprint", "TEXT"), ("history", "TEXT")),
    "messages": (("version", "INTEGER"), ("fingerprint", "TEXT")),
    "dead_letters": (("version", "INTEGER"), ("fingerprint", "TEXT")),
}
"""Columns at the end of a table, with their types, that an older file may lack.

They are added when the file is opened.
"""
ADDED_TABLES: Final[dict[str, str]] = {
    "charts": """CREATE TABLE IF NOT EXISTS charts(
    chart TEXT NOT NULL,
    version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    definition TEXT NOT NULL,        -- as read_chart reads it
    since REAL NOT NULL,             -- when it saved the first instance
    PRIMARY KEY(chart, version, fingerprint)
) WITHOUT ROWID""",
    "least_versions": """CREATE TABLE IF NOT EXISTS least_versions(
    chart TEXT PRIMARY KEY,
    version INTEGER NOT NULL         -- earlier versions may not use the store
) WITHOUT ROWID""",
}
"""Tables that an older file may lack; they are created when it is opened."""
ADDED_INDEXES: Final[dict[str, str]] = {
    "instances_by_key": "CREATE INDEX IF NOT EXISTS instances_by_key ON instances(chart, key)",
}
"""Indexes that an older file may lack; they are created when it is opened."""

_MESSAGE: Final = """
    queue TEXT NOT NULL,
    group_id TEXT NOT NULL,
    ordered INTEGER NOT NULL,        -- 0: in a standard queue
    body TEXT NOT NULL,
    deduplication_id TEXT,
    sent_at REAL NOT NULL,
    visible_at REAL NOT NULL,        -- 0: was never hidden
    in_flight INTEGER NOT NULL,      -- received, and neither released nor failed since
    receives INTEGER NOT NULL,
    answered INTEGER NOT NULL,       -- how many receptions ended in a release or a failure
    failures INTEGER NOT NULL,
    errors TEXT NOT NULL,            -- a JSON list of texts
    timer INTEGER,                   -- the token of the timer that it is for
    first_id INTEGER                 -- the id with which it was accepted, if that has changed
"""

TABLES: Final = f"""
CREATE TABLE instances(
    key TEXT PRIMARY KEY,
    chart TEXT NOT NULL,
    version INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    configuration TEXT NOT NULL,
    context TEXT NOT NULL,
    final INTEGER NOT NULL,
    saved_at REAL NOT NULL,
    fingerprint TEXT,                -- of the chart's definition; NULL: not known
    history TEXT                     -- what history states remember; NULL if none does
);
CREATE INDEX instances_by_chart ON instances(chart, version, key);

CREATE TABLE settlements(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    at REAL NOT NULL,
    record TEXT NOT NULL,
    snapshot TEXT
);
CREATE INDEX settlements_by_key ON settlements(key, number);

CREATE TABLE marks(
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    outcome TEXT,
    digest TEXT,
    until REAL NOT NULL,
    PRIMARY KEY(key, id)
) WITHOUT ROWID;
CREATE INDEX marks_by_end ON marks(until);

CREATE TABLE timers(
    token INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    chart TEXT NOT NULL,
    delay TEXT NOT NULL,
    due REAL NOT NULL,
    sent INTEGER NOT NULL,
    UNIQUE(key, delay)
);
CREATE INDEX timers_by_due ON timers(chart, sent, due);

CREATE TABLE messages(
    id INTEGER PRIMARY KEY AUTOINCREMENT,{_MESSAGE},
    version INTEGER,                 -- of the chart, at the time of sending; NULL: not known
    fingerprint TEXT                 -- of that version's definition; NULL: not known
);
CREATE INDEX messages_by_group ON messages(queue, group_id, id);
CREATE INDEX messages_in_flight ON messages(queue, group_id) WHERE in_flight = 1;

CREATE TABLE heads(
    queue TEXT NOT NULL,
    name TEXT NOT NULL,              -- '=' and the group's id, or '#' and a message's own id
    group_id TEXT NOT NULL,
    message INTEGER NOT NULL,
    sent_at REAL NOT NULL,
    visible_at REAL NOT NULL,        -- when it may be received; 0: at any time
    PRIMARY KEY(queue, name)
) WITHOUT ROWID;
CREATE INDEX heads_by_time ON heads(queue, visible_at, message);

CREATE TABLE parked(
    queue TEXT NOT NULL,
    group_id TEXT NOT NULL,
    since REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY(queue, group_id)
) WITHOUT ROWID;

CREATE TABLE dead_letters(
    id INTEGER PRIMARY KEY,{_MESSAGE},
    died_at REAL NOT NULL,
    reason TEXT NOT NULL,
    version INTEGER,
    fingerprint TEXT
);
CREATE INDEX dead_letters_by_queue ON dead_letters(queue, id);

CREATE TABLE deduplication(
    queue TEXT NOT NULL,
    scope TEXT NOT NULL,             -- the group's id; empty if an id counts per queue
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    message INTEGER NOT NULL,
    until REAL NOT NULL,
    seconds REAL NOT NULL,           -- the window, which starts again when the message leaves
    PRIMARY KEY(queue, scope, id)
) WITHOUT ROWID;
CREATE INDEX deduplication_by_end ON deduplication(until);

{"".join(f"{statement};" for statement in (*ADDED_TABLES.values(), *ADDED_INDEXES.values()))}
"""
