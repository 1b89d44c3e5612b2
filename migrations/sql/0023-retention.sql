-- Revision 0023: how long what a profile stores is kept. Frozen.

ALTER TABLE profiles ADD COLUMN retention JSONB NOT NULL DEFAULT '{}';

-- What is there already counts from now on.
ALTER TABLE recordings ADD COLUMN at TIMESTAMPTZ NOT NULL DEFAULT now();
ALTER TABLE recordings ALTER COLUMN at SET DEFAULT clock_timestamp();
CREATE INDEX ix_recordings_at ON recordings USING brin (at);
