-- Ids are 16 bytes, big-endian: they sort as numbers do, newest last.
-- Instants are milliseconds since the Unix epoch, but for those of this
-- database's own clock.
-- A status is -1 paused, 0 queued, 1 running, 2 waiting, 3 succeeded, 4 failed, 5 cancelled, 6 terminated.
-- Keys that callers choose are bytes: they may have any letter, and they sort
-- the same under every locale.

CREATE TABLE executions (
    id               bytea    NOT NULL PRIMARY KEY,
    tenant           text     COLLATE "C" NOT NULL,
    shard            smallint NOT NULL,
    workflow         bytea    NOT NULL,
    workflow_name    text     COLLATE "C" NOT NULL,
    workflow_version bigint   NOT NULL,
    created_at       bigint   NOT NULL,
    status           smallint NOT NULL,
    version          bigint   NOT NULL,  -- of the last event
    submitted        bigint   NOT NULL,  -- number of the last message
    consumed         bigint   NOT NULL,  -- messages up to here became events
    lines            bigint   NOT NULL,  -- number of the last log line
    updated_at       bigint   NOT NULL,
    finished_at      bigint,
    wake_at          bigint,
    error            bytea               -- MessagePack
) WITH (fillfactor = 85);

CREATE INDEX executions_of_tenant ON executions (tenant, id);
CREATE INDEX executions_of_workflow ON executions (tenant, workflow, id);
CREATE INDEX executions_by_status ON executions (tenant, status, id);
CREATE INDEX executions_unfinished ON executions (shard, id) WHERE status <= 2;

CREATE TABLE events (
    execution bytea  NOT NULL,
    version   bigint NOT NULL,
    at        bigint NOT NULL,
    checksum  bigint NOT NULL,  -- CRC-32 of execution, version, at (big-endian) and body
    body      bytea  NOT NULL,  -- MessagePack map
    PRIMARY KEY (execution, version)
);

-- Messages that no append has taken yet.
CREATE TABLE inbox (
    execution bytea  NOT NULL,
    seq       bigint NOT NULL,
    at        bigint NOT NULL,
    body      bytea  NOT NULL,  -- MessagePack map
    PRIMARY KEY (execution, seq)
);

CREATE TABLE lines (
    execution bytea  NOT NULL,
    seq       bigint NOT NULL,
    body      bytea  NOT NULL,  -- MessagePack map
    PRIMARY KEY (execution, seq)
);

CREATE TABLE idempotency_keys (
    tenant      text   COLLATE "C" NOT NULL,
    key         bytea  NOT NULL,
    fingerprint bytea  NOT NULL,
    execution   bytea  NOT NULL,
    at          bigint NOT NULL,
    PRIMARY KEY (tenant, key)
);

-- Each process that has the store open. A batch sets its number in its own
-- transaction, so that a commit that nobody answered can be looked up.
CREATE TABLE writers (
    id    bytea       NOT NULL PRIMARY KEY,
    batch bigint      NOT NULL,
    seen  timestamptz NOT NULL
) WITH (fillfactor = 20);

-- A shard is held under an epoch by an owner in one of these processes, until
-- its heartbeat is too old and another one takes it under the next epoch.
CREATE TABLE shards (
    shard     smallint    NOT NULL PRIMARY KEY,
    owner     text,
    writer    bytea,
    epoch     bigint      NOT NULL,
    heartbeat timestamptz NOT NULL
) WITH (fillfactor = 20);
INSERT INTO shards (shard, epoch, heartbeat) SELECT n, 0, '-infinity' FROM generate_series(0, 63) AS n;

CREATE TABLE records (
    kind    text   COLLATE "C" NOT NULL,
    tenant  text   COLLATE "C" NOT NULL,
    key     bytea  NOT NULL,
    version bigint NOT NULL,
    value   bytea  NOT NULL,
    PRIMARY KEY (kind, tenant, key)
);

CREATE TABLE blobs (
    digest bytea NOT NULL PRIMARY KEY,  -- SHA-256 of the bytes
    bytes  bytea NOT NULL
);
