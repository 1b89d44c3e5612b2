ALTER TABLE devices DROP COLUMN paused_at, DROP COLUMN paused_by, DROP COLUMN paused_why;
