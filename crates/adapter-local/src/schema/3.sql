-- From format 2 to format 3: message queues.

-- A queue that was removed has no name; its messages are cleared away, then its row. Numbers are
-- never used again, so that no message outlives its queue into another.
CREATE TABLE queues (
    queue      INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT UNIQUE,
    settings   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
);

-- `received` counts for ever, `tries` since the message came into its queue. `source` names the
-- queue in which it died.
CREATE TABLE messages (
    message           INTEGER PRIMARY KEY,
    queue             INTEGER NOT NULL,
    visible_at        INTEGER NOT NULL,
    sent_at           INTEGER NOT NULL,
    received          INTEGER NOT NULL,
    tries             INTEGER NOT NULL,
    first_received_at INTEGER,
    source            TEXT,
    id                BLOB NOT NULL,
    trace_header      TEXT,
    attributes        TEXT,
    body              TEXT NOT NULL
);
CREATE INDEX messages_by_visibility ON messages (queue, visible_at);
CREATE INDEX messages_by_age ON messages (queue, sent_at);

-- Moves out of dead-letter queues: of the messages up to `last`, the next ones at `due_at`.
-- Status 0 is going on.
CREATE TABLE moves (
    move        INTEGER PRIMARY KEY AUTOINCREMENT,
    handle      TEXT NOT NULL UNIQUE,
    source      TEXT NOT NULL,
    destination TEXT,
    rate        INTEGER,
    status      INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    moved       INTEGER NOT NULL,
    to_move     INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    reason      TEXT
);
CREATE INDEX moves_by_source ON moves (source, move);
CREATE INDEX moves_going_on ON moves (move) WHERE status = 0;
