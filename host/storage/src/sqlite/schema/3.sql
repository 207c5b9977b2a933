-- Which executions go first where they wait for a place: the highest first.
ALTER TABLE executions ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
