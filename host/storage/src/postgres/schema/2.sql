-- Executions are removed when they are over, and with them what they alone used.

-- The execution that started it, or that it goes on with or repeats.
ALTER TABLE executions ADD COLUMN origin bytea;

CREATE INDEX executions_ended ON executions (tenant, workflow, finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX executions_of_origin ON executions (origin) WHERE origin IS NOT NULL AND status <= 2;

-- When a key ends whose execution was removed.
ALTER TABLE idempotency_keys ADD COLUMN ends_at bigint;

CREATE INDEX keys_of_execution ON idempotency_keys (execution);
CREATE INDEX keys_that_end ON idempotency_keys (ends_at) WHERE ends_at IS NOT NULL;

-- Removed executions with more rows than one transaction may delete, until all
-- are gone.
CREATE TABLE leftovers (
    execution bytea NOT NULL PRIMARY KEY
);

-- Which execution's events and messages refer to which blob.
CREATE TABLE blob_uses (
    execution bytea NOT NULL,
    digest    bytea NOT NULL,
    PRIMARY KEY (execution, digest)
);

CREATE INDEX uses_of_blob ON blob_uses (digest);

-- Blobs that stay whatever uses them: those of which no uses were written, and
-- the components of deployed versions.
CREATE TABLE blob_pins (
    digest bytea NOT NULL PRIMARY KEY
);

INSERT INTO blob_pins (digest) SELECT digest FROM blobs;

-- Blobs that may be without a use: put, or used by an execution that was removed,
-- since a sweep first saw that.
CREATE TABLE blob_suspects (
    digest bytea NOT NULL PRIMARY KEY,
    since  bigint
);

CREATE INDEX suspects_by_time ON blob_suspects (since);
