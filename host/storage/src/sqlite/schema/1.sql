-- Ids are 16 bytes, big-endian: they sort as numbers do, newest last.
-- Instants are milliseconds since the Unix epoch.
-- A status is 0 queued, 1 running, 2 waiting, 3 succeeded, 4 failed, 5 cancelled.

CREATE TABLE executions (
    id               BLOB    NOT NULL PRIMARY KEY,
    tenant           TEXT    NOT NULL,
    shard            INTEGER NOT NULL,
    workflow         BLOB    NOT NULL,
    workflow_name    TEXT    NOT NULL,
    workflow_version INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    status           INTEGER NOT NULL,
    version          INTEGER NOT NULL,  -- of the last event
    submitted        INTEGER NOT NULL,  -- number of the last message
    consumed         INTEGER NOT NULL,  -- messages up to here became events
    lines            INTEGER NOT NULL,  -- number of the last log line
    updated_at       INTEGER NOT NULL,
    finished_at      INTEGER,
    wake_at          INTEGER,
    error            BLOB               -- MessagePack
) WITHOUT ROWID;

CREATE INDEX executions_of_tenant ON executions (tenant, id);
CREATE INDEX executions_of_workflow ON executions (tenant, workflow, id);
CREATE INDEX executions_by_status ON executions (tenant, status, id);
CREATE INDEX executions_unfinished ON executions (shard, id) WHERE status <= 2;

CREATE TABLE events (
    execution BLOB    NOT NULL,
    version   INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    checksum  INTEGER NOT NULL,  -- CRC-32 of execution, version, at (big-endian) and body
    body      BLOB    NOT NULL,  -- MessagePack map
    PRIMARY KEY (execution, version)
) WITHOUT ROWID;

-- Messages that no append has taken yet.
CREATE TABLE inbox (
    execution BLOB    NOT NULL,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    body      BLOB    NOT NULL,  -- MessagePack map
    PRIMARY KEY (execution, seq)
) WITHOUT ROWID;

CREATE TABLE lines (
    execution BLOB    NOT NULL,
    seq       INTEGER NOT NULL,
    body      BLOB    NOT NULL,  -- MessagePack map
    PRIMARY KEY (execution, seq)
) WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    tenant      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    execution   BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;

CREATE TABLE shards (
    shard INTEGER NOT NULL PRIMARY KEY,
    owner TEXT,
    epoch INTEGER NOT NULL
);

CREATE TABLE records (
    kind    TEXT    NOT NULL,
    tenant  TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    version INTEGER NOT NULL,
    value   BLOB    NOT NULL,
    PRIMARY KEY (kind, tenant, key)
) WITHOUT ROWID;

-- Blobs are large, so their rows stay out of the tree that finds them.
CREATE TABLE blobs (
    digest BLOB NOT NULL PRIMARY KEY,  -- SHA-256 of the bytes
    bytes  BLOB NOT NULL
);

-- Written when a commit failed: see `Writer::recover`.
CREATE TABLE repairs (
    id    INTEGER NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL
);
INSERT INTO repairs (id, count) VALUES (1, 0);
