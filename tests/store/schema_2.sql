-- A store as the version that wrote schema 2 has left it: two instances, a timer, messages, one dead letter.
PRAGMA application_id = 1584864849;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE charts(
    chart TEXT NOT NULL,
    version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    definition TEXT NOT NULL,        -- as read_chart reads it
    since REAL NOT NULL,             -- when it saved the first instance
    PRIMARY KEY(chart, version, fingerprint)
) WITHOUT ROWID;
INSERT INTO "charts" VALUES('shop',1,'564387e59bb7e551','{"name":"shop","version":1,"initial":"open","context":{},"on_reject":"discard","settling_tags":{"resolved":["settled","resolve"],"rejected":["reject"]},"states":[{"name":"open","tags":["settled"]},{"name":"paid","tags":["settled"],"after":{"3600":[{"dest":"late"}]}},{"name":"late","tags":["settled"]},{"name":"gone","tags":["settled"],"final":true}],"transitions":[{"trigger":"PAY","source":"open","dest":"paid"},{"trigger":"SHIP","source":"paid","dest":"gone"}]}',0.0);
CREATE TABLE dead_letters(
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    group_id TEXT NOT NULL,
    ordered INTEGER NOT NULL,        -- 0: of a standard queue, alone in its order
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
    first_id INTEGER                 -- the id that it was accepted with, if it has another now
,
    died_at REAL NOT NULL,
    reason TEXT NOT NULL,
    version INTEGER
);
INSERT INTO "dead_letters" VALUES(2,'shop','k1',1,'{"event":"SHIP"}',NULL,0.0,0.0,0,1,1,1,'["nobody was there"]',NULL,NULL,0.0,'it failed',1);
CREATE TABLE deduplication(
    queue TEXT NOT NULL,
    scope TEXT NOT NULL,             -- the group's id; empty where an id counts per queue
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    message INTEGER NOT NULL,
    until REAL NOT NULL,
    seconds REAL NOT NULL,           -- the window, which begins anew when the message leaves
    PRIMARY KEY(queue, scope, id)
) WITHOUT ROWID;
INSERT INTO "deduplication" VALUES('shop','k0','d1','a944bf316e383ff47bba72bdc49f74f1',1,300.0,300.0);
CREATE TABLE heads(
    queue TEXT NOT NULL,
    name TEXT NOT NULL,              -- '=' and the group's id, or '#' and a message's own id
    group_id TEXT NOT NULL,
    message INTEGER NOT NULL,
    sent_at REAL NOT NULL,
    visible_at REAL NOT NULL,        -- when it may be received; 0: at any time
    PRIMARY KEY(queue, name)
) WITHOUT ROWID;
INSERT INTO "heads" VALUES('shop','=k0','k0',1,0.0,30.0);
INSERT INTO "heads" VALUES('shop','=k1','k1',3,0.0,0.0);
INSERT INTO "heads" VALUES('shop','=k2','k2',4,0.0,0.0);
CREATE TABLE instances(
    key TEXT PRIMARY KEY,
    chart TEXT NOT NULL,
    version INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    configuration TEXT NOT NULL,
    context TEXT NOT NULL,
    final INTEGER NOT NULL,
    saved_at REAL NOT NULL,
    fingerprint TEXT,                -- of the chart's definition, where it is known
    history TEXT                     -- what history states remember; NULL where none does
);
INSERT INTO "instances" VALUES('k0','shop',1,1,'["open"]','{}',0,0.0,'564387e59bb7e551',NULL);
INSERT INTO "instances" VALUES('k1','shop',1,1,'["paid"]','{}',0,0.0,'564387e59bb7e551',NULL);
CREATE TABLE least_versions(
    chart TEXT PRIMARY KEY,
    version INTEGER NOT NULL         -- charts of earlier ones may not use the store
) WITHOUT ROWID;
CREATE TABLE marks(
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    outcome TEXT,
    digest TEXT,
    until REAL NOT NULL,
    PRIMARY KEY(key, id)
) WITHOUT ROWID;
CREATE TABLE messages(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    group_id TEXT NOT NULL,
    ordered INTEGER NOT NULL,        -- 0: of a standard queue, alone in its order
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
    first_id INTEGER                 -- the id that it was accepted with, if it has another now
,
    version INTEGER                  -- of the chart, as the sender met it; NULL: not known
);
INSERT INTO "messages" VALUES(1,'shop','k0',1,'{"event":"PAY"}','d1',0.0,30.0,1,1,0,0,'[]',NULL,NULL,1);
INSERT INTO "messages" VALUES(3,'shop','k1',1,'{"event":"SHIP"}',NULL,0.0,0.0,0,0,0,0,'[]',NULL,NULL,1);
INSERT INTO "messages" VALUES(4,'shop','k2',1,'{"event":"PAY"}',NULL,0.0,0.0,0,0,0,0,'[]',NULL,NULL,1);
CREATE TABLE parked(
    queue TEXT NOT NULL,
    group_id TEXT NOT NULL,
    since REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY(queue, group_id)
) WITHOUT ROWID;
CREATE TABLE settlements(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    at REAL NOT NULL,
    record TEXT NOT NULL,
    snapshot TEXT
);
INSERT INTO "settlements" VALUES(1,'k0',1,0.0,'{"event":{"name":"_settlesim.start","data":null},"event_id":null,"outcome":"resolved","path":[["open"]],"edges":[],"calls":[]}','{"chart":"shop","version":1,"revision":1,"configuration":["open"],"context":{},"fingerprint":"564387e59bb7e551"}');
INSERT INTO "settlements" VALUES(2,'k1',1,0.0,'{"event":{"name":"PAY","data":null},"event_id":"pay-1","outcome":"resolved","path":[["open"],["paid"]],"edges":[0],"calls":[]}','{"chart":"shop","version":1,"revision":1,"configuration":["paid"],"context":{},"fingerprint":"564387e59bb7e551"}');
CREATE TABLE timers(
    token INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    chart TEXT NOT NULL,
    delay TEXT NOT NULL,
    due REAL NOT NULL,
    sent INTEGER NOT NULL,
    UNIQUE(key, delay)
);
INSERT INTO "timers" VALUES(1,'k1','shop','paid.0',3600.0,0);
CREATE INDEX instances_by_chart ON instances(chart, version, key);
CREATE INDEX settlements_by_key ON settlements(key, number);
CREATE INDEX marks_by_end ON marks(until);
CREATE INDEX timers_by_due ON timers(chart, sent, due);
CREATE INDEX messages_by_group ON messages(queue, group_id, id);
CREATE INDEX messages_in_flight ON messages(queue, group_id) WHERE in_flight = 1;
CREATE INDEX heads_by_time ON heads(queue, visible_at, message);
CREATE INDEX dead_letters_by_queue ON dead_letters(queue, id);
CREATE INDEX deduplication_by_end ON deduplication(until);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('settlements',2);
INSERT INTO "sqlite_sequence" VALUES('timers',1);
INSERT INTO "sqlite_sequence" VALUES('messages',4);
COMMIT;
