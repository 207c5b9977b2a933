//! The tables that the host makes, and all that is asked of them, for both databases.
//! A row belongs to a resource and a tenant, and every statement names both.

/// A value each; `expires` in milliseconds since the Unix epoch.
const VALUES: &str = "CREATE TABLE IF NOT EXISTS nebula_kv (
    resource TEXT NOT NULL, tenant TEXT NOT NULL, key TEXT COLLATE {ORDER} NOT NULL,
    value {BYTES} NOT NULL, version BIGINT NOT NULL, expires BIGINT,
    PRIMARY KEY (resource, tenant, key))";

const EXPIRES: &str = "CREATE INDEX IF NOT EXISTS nebula_kv_expires
    ON nebula_kv (resource, tenant, expires) WHERE expires IS NOT NULL";

/// How many keys a tenant has in a resource, and how often they were changed: who
/// changes one of them holds this row.
const SPACES: &str = "CREATE TABLE IF NOT EXISTS nebula_kv_space (
    resource TEXT NOT NULL, tenant TEXT NOT NULL, keys BIGINT NOT NULL, version BIGINT NOT NULL,
    PRIMARY KEY (resource, tenant))";

/// One value.
const GET: &str = "SELECT value, version FROM nebula_kv
    WHERE resource = $1 AND tenant = $2 AND key = $3 AND (expires IS NULL OR expires > {NOW})";

/// Some keys.
const LIST: &str = "SELECT key FROM nebula_kv
    WHERE resource = $1 AND tenant = $2 AND key >= $3 AND key > $4
        AND ($5 IS NULL OR key < $5) AND (expires IS NULL OR expires > {NOW})
    ORDER BY key LIMIT $6";

/// Begins a change: how many keys there are, the version that it makes, the instant.
const BEGIN: &str = "INSERT INTO nebula_kv_space AS space (resource, tenant, keys, version)
    VALUES ($1, $2, 0, 1)
    ON CONFLICT (resource, tenant) DO UPDATE SET version = space.version + 1
    RETURNING keys, version, {NOW}";

/// Removes the key, if its time is over, and so many others of which it is.
const SWEEP: &str = "DELETE FROM nebula_kv
    WHERE resource = $1 AND tenant = $2 AND expires <= $3 AND (key = $4 OR key IN (
        SELECT key FROM nebula_kv
        WHERE resource = $1 AND tenant = $2 AND expires <= $3 ORDER BY expires LIMIT $5))";

const PRESENT: &str = "SELECT value, version, expires FROM nebula_kv
    WHERE resource = $1 AND tenant = $2 AND key = $3";

const PUT: &str = "INSERT INTO nebula_kv (resource, tenant, key, value, version, expires)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (resource, tenant, key) DO UPDATE
    SET value = excluded.value, version = excluded.version, expires = excluded.expires";

const REMOVE: &str = "DELETE FROM nebula_kv WHERE resource = $1 AND tenant = $2 AND key = $3";

const COUNT: &str = "UPDATE nebula_kv_space SET keys = $3 WHERE resource = $1 AND tenant = $2";

/// How many that are over a change removes in passing.
pub(super) const IN_PASSING: i64 = 100;

/// The statements, as one database reads them.
#[derive(Debug)]
pub(super) struct Statements {
    /// What makes the tables.
    pub(super) tables: [String; 3],
    pub(super) get: String,
    pub(super) list: String,
    pub(super) begin: String,
    pub(super) sweep: String,
    pub(super) present: String,
    pub(super) put: String,
    pub(super) remove: String,
    pub(super) count: String,
}

impl Statements {
    pub(super) fn sqlite() -> Self {
        // `?3` is the third parameter, and `$3` one of that name.
        Self::of(|text| {
            let text = text.replace('$', "?");
            let text = text.replace("{NOW}", "CAST(unixepoch('subsec') * 1000 AS INTEGER)");
            text.replace("{BYTES}", "BLOB").replace("{ORDER}", "BINARY")
        })
    }

    pub(super) fn postgres() -> Self {
        const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        Self::of(|text| {
            let text = text.replace("$5 IS NULL", "$5::text IS NULL");
            let text = text.replace("{NOW}", NOW);
            text.replace("{BYTES}", "BYTEA").replace("{ORDER}", "\"C\"")
        })
    }

    fn of(read: fn(&str) -> String) -> Self {
        Self {
            tables: [VALUES, EXPIRES, SPACES].map(read),
            get: read(GET),
            list: read(LIST),
            begin: read(BEGIN),
            sweep: read(SWEEP),
            present: read(PRESENT),
            put: read(PUT),
            remove: read(REMOVE),
            count: read(COUNT),
        }
    }
}
