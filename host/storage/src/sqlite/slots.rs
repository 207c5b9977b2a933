//! Who has a slot of a group, and who waits for one, as statements.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, ToSql, params};

use super::read;
use super::store::add_execution;
use crate::cells::{self, id, id_bytes, limit};
use crate::rows::{Facts, GroupKey, Needs, Writes};
use crate::slots::{Group, MOST_REPLACED, SlotState};
use crate::trouble::Trouble;

pub(super) const TAKEN: &str = "SELECT id, slot_state FROM executions \
     WHERE slot_group = ?1 AND slot_state IN (0, 2) AND status <= 2";
pub(super) const WAITING: &str = "SELECT id, priority FROM executions \
     WHERE slot_group = ?1 AND slot_state = 1 AND status <= 2 ORDER BY priority DESC, id LIMIT ?2";

/// Adds the groups that a batch speaks of; the rows of its executions are there.
pub(super) fn facts(
    connection: &Connection,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<(), Trouble> {
    let mut groups: BTreeMap<GroupKey, bool> = needs.groups.clone();
    for id in &needs.members {
        if let Some(Ok(row)) = facts.executions.get(id)
            && let Some(slot) = &row.slot
        {
            groups.entry(slot.group.clone()).or_default();
        }
    }
    for (name, replaces) in groups {
        let group = group(connection, &name, replaces, needs, facts)?;
        facts.groups.insert(name, group);
    }
    Ok(())
}

fn group(
    connection: &Connection,
    name: &str,
    replaces: bool,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<Group, Trouble> {
    let mut group = Group::default();
    let taken = read::all(connection, TAKEN, &[&name], |row| {
        Ok((id(row.get(0)?), SlotState::of(row.get(1)?)?))
    })?;
    for (id, state) in taken {
        group.take(id, state);
    }
    let count = limit(needs.waiting());
    let values: [&dyn ToSql; 2] = [&name, &count];
    let waiting = read::all(connection, WAITING, &values, |row| {
        Ok((id(row.get(0)?), cells::priority(row.get(1)?)?))
    })?;
    let mut others = BTreeSet::new();
    for (id, priority) in waiting {
        group.wait(priority, id);
        others.insert(id);
    }
    if replaces {
        others.extend(group.staying().into_iter().take(MOST_REPLACED));
    }
    for id in others {
        if !facts.executions.contains_key(&id) {
            add_execution(connection, id, facts)?;
        }
    }
    Ok(group)
}

/// Writes how executions stand to their slots.
pub(super) fn write(connection: &Connection, writes: &Writes<'_>) -> Result<(), Trouble> {
    let sql = "UPDATE executions SET slot_state = ?2 WHERE id = ?1";
    for (id, state) in &writes.slots {
        let state = state.map(SlotState::number);
        connection
            .prepare_cached(sql)?
            .execute(params![id_bytes(*id), state])?;
    }
    Ok(())
}
