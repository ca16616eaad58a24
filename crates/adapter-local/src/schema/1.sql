-- The first schema, format 1. Instants are milliseconds since 1970; envelopes and bodies are JSON text.

-- The highest number ever reserved or reached, by what it counts.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- Store: the items of aggregates. `indexes` is a JSON array of [index, key, sort], or null.
CREATE TABLE items (
    item       INTEGER PRIMARY KEY,
    partition  TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    body       TEXT NOT NULL,
    expires_at INTEGER,
    indexes    TEXT
);
CREATE UNIQUE INDEX items_by_name ON items (partition, name);
CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;

-- Store: where items stand in indexes; the key is the order of a listing.
CREATE TABLE index_entries (
    index_name TEXT NOT NULL,
    key        TEXT NOT NULL,
    sort       TEXT NOT NULL,
    partition  TEXT NOT NULL,
    name       TEXT NOT NULL,
    item       INTEGER NOT NULL,
    PRIMARY KEY (index_name, key, sort, partition, name)
) WITHOUT ROWID;

-- Outbox: committed events that are not yet published, and those the bus will never take.
CREATE TABLE outbox (
    sequence  INTEGER PRIMARY KEY,
    partition TEXT NOT NULL,
    envelope  TEXT NOT NULL
);
CREATE TABLE parked (
    sequence  INTEGER PRIMARY KEY,
    partition TEXT NOT NULL,
    envelope  TEXT NOT NULL,
    reason    TEXT NOT NULL
);

-- Journal: one head per execution; status 0 is RUNNING.
CREATE TABLE heads (
    execution  INTEGER PRIMARY KEY,
    machine    TEXT NOT NULL,
    name       TEXT NOT NULL,
    definition TEXT NOT NULL,
    status     INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    stopped_at INTEGER,
    wake_at    INTEGER,
    owes_calls INTEGER NOT NULL,
    last_entry INTEGER NOT NULL
);
CREATE UNIQUE INDEX heads_by_name ON heads (machine, name);
CREATE INDEX heads_by_status ON heads (machine, status, started_at);
CREATE INDEX heads_owing ON heads (execution) WHERE status = 0 AND owes_calls = 1;
CREATE INDEX heads_waking ON heads (wake_at)
    WHERE status = 0 AND owes_calls = 0 AND wake_at IS NOT NULL;

-- Journal: the events of one append; `previous` is the execution's entry before, or 0. Entries
-- stand in the order of their commits, so that a batch fills pages at the end of the table instead
-- of touching one page per execution; a chain through them spares an index.
CREATE TABLE entries (
    entry    INTEGER PRIMARY KEY,
    previous INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    events   BLOB NOT NULL
);

CREATE TABLE definitions (
    hash     TEXT PRIMARY KEY,
    checksum INTEGER NOT NULL,
    text     TEXT NOT NULL
);
CREATE TABLE machines (
    machine TEXT PRIMARY KEY,
    hash    TEXT NOT NULL
) WITHOUT ROWID;

-- Event log: every event, and the deliveries that are not simply done.
CREATE TABLE archive (
    sequence    INTEGER PRIMARY KEY,
    id          BLOB NOT NULL,
    correlation TEXT NOT NULL,
    envelope    TEXT NOT NULL
);
CREATE UNIQUE INDEX archive_by_id ON archive (id);
CREATE INDEX archive_by_correlation ON archive (correlation);
CREATE TABLE redeliveries (
    sequence INTEGER NOT NULL,
    target   TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    due_at   INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (sequence, target)
) WITHOUT ROWID;
CREATE INDEX redeliveries_by_due ON redeliveries (due_at);
CREATE TABLE dead_letters (
    sequence INTEGER NOT NULL,
    target   TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (sequence, target)
) WITHOUT ROWID;

-- Mailbox.
CREATE TABLE mails (
    sequence  INTEGER PRIMARY KEY,
    id        BLOB NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    subject   TEXT NOT NULL,
    body      TEXT NOT NULL
);
