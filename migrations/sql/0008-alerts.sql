-- Revision 0008: rules that say when somebody must look, and what they found. Frozen.

CREATE TABLE alert_rules (
    id INTEGER GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    "on" TEXT NOT NULL,
    profile TEXT,
    device TEXT,
    label TEXT,
    min_probability DOUBLE PRECISION,
    unknown BOOLEAN,
    silence_seconds DOUBLE PRECISION,
    cooldown_seconds DOUBLE PRECISION NOT NULL,
    group_by TEXT NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    "position" BIGINT NOT NULL,
    looked_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_alert_rules PRIMARY KEY (id),
    CONSTRAINT fk_alert_rules_profile FOREIGN KEY (profile) REFERENCES profiles (name),
    CONSTRAINT fk_alert_rules_device FOREIGN KEY (device) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT ck_alert_rules_on CHECK ("on" IN ('event', 'prediction', 'silence')),
    CONSTRAINT ck_alert_rules_silence CHECK (("on" = 'silence') = (silence_seconds IS NOT NULL)),
    CONSTRAINT ck_alert_rules_group_by CHECK (group_by IN ('device', 'rule')),
    CONSTRAINT ck_alert_rules_cooldown_seconds CHECK (cooldown_seconds > 0)
);

CREATE INDEX ix_alert_rules_device ON alert_rules (device);

CREATE TABLE alerts (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    rule INTEGER NOT NULL,
    subject TEXT NOT NULL,
    device TEXT NOT NULL,
    profile TEXT NOT NULL,
    event UUID,
    label TEXT,
    probability DOUBLE PRECISION,
    count INTEGER DEFAULT 1 NOT NULL,
    opened_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    last_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    ended_at TIMESTAMPTZ,
    acknowledged_at TIMESTAMPTZ,
    acknowledged_by TEXT,
    note TEXT,
    CONSTRAINT pk_alerts PRIMARY KEY (id),
    CONSTRAINT fk_alerts_rule FOREIGN KEY (rule) REFERENCES alert_rules (id) ON DELETE CASCADE,
    CONSTRAINT fk_alerts_device FOREIGN KEY (device) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT ck_alerts_count CHECK (count >= 1),
    CONSTRAINT ck_alerts_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);

CREATE INDEX ix_alerts_rule_id ON alerts (rule, id);

CREATE INDEX ix_alerts_device_id ON alerts (device, id);

CREATE INDEX ix_alerts_open ON alerts (id) WHERE acknowledged_at IS NULL;

-- A rule fires once for each event and each silence, whoever saw it and however often.
CREATE TABLE alert_firings (
    rule INTEGER NOT NULL,
    key TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_alert_firings PRIMARY KEY (rule, key),
    CONSTRAINT fk_alert_firings_rule FOREIGN KEY (rule) REFERENCES alert_rules (id) ON DELETE CASCADE
);

CREATE INDEX ix_alert_firings_at ON alert_firings (at);

-- Lists of a million events: what a filter needs stands beside the position that orders
-- the list, so that a page is read from one index, however rare what it asks for is.
ALTER TABLE predictions ADD COLUMN "position" BIGINT;
UPDATE predictions p SET "position" = e."position" FROM events e WHERE e.id = p.event;
ALTER TABLE predictions ALTER COLUMN "position" SET NOT NULL;
DROP INDEX ix_predictions_answer;
CREATE INDEX ix_predictions_label_position ON predictions (label, "position") WHERE first;
CREATE INDEX ix_predictions_version_position ON predictions (model_version, "position") WHERE first;
CREATE INDEX ix_predictions_unknown ON predictions ("position") WHERE first AND unknown;
CREATE INDEX ix_predictions_probability ON predictions (probability) WHERE first;

ALTER TABLE events ADD COLUMN labelled BOOLEAN DEFAULT false NOT NULL;
UPDATE events e SET labelled = true WHERE (
    SELECT label <> '' FROM labels WHERE event = e.id ORDER BY id DESC LIMIT 1
);
CREATE INDEX ix_events_unlabelled ON events ("position") WHERE NOT labelled;
CREATE INDEX ix_events_profile_unlabelled ON events (profile, "position") WHERE NOT labelled;

-- Rows are locked in order before anything is looked up: of two labels of one event at
-- the same time, the second sees the first.
CREATE FUNCTION onset_labelled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM events WHERE id IN (SELECT event FROM fresh) ORDER BY id FOR NO KEY UPDATE;
    UPDATE events e SET labelled = NOT e.labelled
        WHERE e.id IN (SELECT event FROM fresh) AND e.labelled <> (
            SELECT label <> '' FROM labels WHERE event = e.id ORDER BY id DESC LIMIT 1
        );
    RETURN NULL;
END
$$;
CREATE TRIGGER labels_mark_events AFTER INSERT ON labels
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION onset_labelled();

-- Between which times the onsets of each 1024 positions lie: where a list that is bound
-- by time begins and ends. Bounds are never too narrow; erased events leave them wide.
CREATE TABLE event_blocks (
    block BIGINT NOT NULL,
    min_onset TIMESTAMPTZ NOT NULL,
    max_onset TIMESTAMPTZ NOT NULL,
    CONSTRAINT pk_event_blocks PRIMARY KEY (block)
);
INSERT INTO event_blocks
    SELECT "position" / 1024, min(onset), max(onset) FROM events GROUP BY 1;
CREATE FUNCTION onset_event_blocks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_blocks AS b
        SELECT "position" / 1024, min(onset), max(onset) FROM fresh GROUP BY 1 ORDER BY 1
        ON CONFLICT (block) DO UPDATE SET
            min_onset = least(b.min_onset, excluded.min_onset),
            max_onset = greatest(b.max_onset, excluded.max_onset)
        WHERE excluded.min_onset < b.min_onset OR excluded.max_onset > b.max_onset;
    RETURN NULL;
END
$$;
CREATE TRIGGER events_in_blocks AFTER INSERT ON events
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION onset_event_blocks();
CREATE FUNCTION onset_event_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE event_blocks SET min_onset = least(min_onset, NEW.onset),
        max_onset = greatest(max_onset, NEW.onset) WHERE block = NEW."position" / 1024;
    RETURN NULL;
END
$$;
CREATE TRIGGER events_moved AFTER UPDATE OF onset ON events
    FOR EACH ROW WHEN (OLD.onset <> NEW.onset) EXECUTE FUNCTION onset_event_moved();
