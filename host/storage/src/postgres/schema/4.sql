-- The group of which an execution needs a slot before it begins, how many slots
-- the group has as the execution's version says, and a state: 0 it has one, 1 it
-- waits for one, 2 it has one and was cancelled for another; none if it needs none.
ALTER TABLE executions ADD COLUMN slot_group text COLLATE "C";
ALTER TABLE executions ADD COLUMN slot_limit bigint;
ALTER TABLE executions ADD COLUMN slot_state smallint;

CREATE INDEX executions_of_group ON executions (slot_group, slot_state, priority DESC, id)
    WHERE slot_state IS NOT NULL AND status <= 2;
