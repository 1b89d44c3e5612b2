-- Revision 0001: the tables of Onset. Frozen: later changes are later revisions.

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    object TEXT NOT NULL,
    before JSONB,
    after JSONB,
    CONSTRAINT pk_audit PRIMARY KEY (id)
);

CREATE INDEX ix_audit_object_id ON audit (object, id);

CREATE TABLE profiles (
    name TEXT NOT NULL,
    channels JSONB NOT NULL,
    rate_hz DOUBLE PRECISION NOT NULL,
    classes TEXT[] NOT NULL,
    max_hold_seconds DOUBLE PRECISION NOT NULL,
    max_gap_seconds DOUBLE PRECISION,
    record BOOLEAN NOT NULL,
    retrain JSONB NOT NULL,
    detector_version INTEGER,
    champion_version INTEGER,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_profiles PRIMARY KEY (name),
    CONSTRAINT ck_profiles_rate_hz CHECK (rate_hz > 0),
    CONSTRAINT ck_profiles_name CHECK (length(name) BETWEEN 1 AND 200)
);

CREATE TABLE model_versions (
    version INTEGER GENERATED ALWAYS AS IDENTITY,
    profile TEXT NOT NULL,
    parent INTEGER,
    kind TEXT NOT NULL,
    estimator TEXT NOT NULL,
    feature_set TEXT NOT NULL,
    seed BIGINT NOT NULL,
    code_version TEXT NOT NULL,
    artefact_sha256 TEXT NOT NULL,
    trainer_state_sha256 TEXT,
    card JSONB NOT NULL,
    manifest JSONB NOT NULL,
    report JSONB NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL,
    trained_through TIMESTAMPTZ,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_model_versions PRIMARY KEY (version),
    CONSTRAINT ck_model_versions_kind CHECK (kind IN ('full', 'incremental', 'imported')),
    CONSTRAINT ck_model_versions_verdict CHECK (verdict IN ('promote', 'hold', 'reject', 'not_enough_evidence')),
    CONSTRAINT ck_model_versions_artefact_sha256 CHECK (artefact_sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_model_versions_trainer_state_sha256 CHECK (trainer_state_sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT fk_model_versions_profile FOREIGN KEY (profile) REFERENCES profiles (name),
    CONSTRAINT fk_model_versions_parent FOREIGN KEY (parent) REFERENCES model_versions (version)
);

CREATE INDEX ix_model_versions_profile_version ON model_versions (profile, version);

CREATE TABLE jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    profile TEXT,
    state TEXT DEFAULT 'queued' NOT NULL,
    progress DOUBLE PRECISION DEFAULT 0 NOT NULL,
    stage TEXT DEFAULT '' NOT NULL,
    request JSONB NOT NULL,
    result JSONB,
    error TEXT,
    cancel_requested BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    CONSTRAINT pk_jobs PRIMARY KEY (id),
    CONSTRAINT ck_jobs_state CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT ck_jobs_progress CHECK (progress BETWEEN 0 AND 1),
    CONSTRAINT fk_jobs_profile FOREIGN KEY (profile) REFERENCES profiles (name)
);

CREATE INDEX ix_jobs_profile_kind_id ON jobs (profile, kind, id);

CREATE UNIQUE INDEX uq_jobs_unfinished ON jobs (kind, profile) WHERE state IN ('queued', 'running');

CREATE TABLE detector_versions (
    number INTEGER GENERATED ALWAYS AS IDENTITY,
    profile TEXT NOT NULL,
    settings JSONB NOT NULL,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_detector_versions PRIMARY KEY (number),
    CONSTRAINT fk_detector_versions_profile FOREIGN KEY (profile) REFERENCES profiles (name)
);

CREATE INDEX ix_detector_versions_profile ON detector_versions (profile);

CREATE TABLE devices (
    id TEXT NOT NULL,
    profile TEXT NOT NULL,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    last_seen TIMESTAMPTZ,
    connections BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_devices PRIMARY KEY (id),
    CONSTRAINT ck_devices_id CHECK (length(id) BETWEEN 1 AND 200),
    CONSTRAINT fk_devices_profile FOREIGN KEY (profile) REFERENCES profiles (name)
);

CREATE INDEX ix_devices_profile ON devices (profile);

CREATE TABLE promotions (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    profile TEXT NOT NULL,
    version INTEGER NOT NULL,
    previous INTEGER,
    act TEXT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_promotions PRIMARY KEY (id),
    CONSTRAINT ck_promotions_act CHECK (act IN ('promote', 'rollback')),
    CONSTRAINT ck_promotions_previous CHECK (version IS DISTINCT FROM previous),
    CONSTRAINT fk_promotions_profile FOREIGN KEY (profile) REFERENCES profiles (name),
    CONSTRAINT fk_promotions_version FOREIGN KEY (version) REFERENCES model_versions (version),
    CONSTRAINT fk_promotions_previous FOREIGN KEY (previous) REFERENCES model_versions (version)
);

CREATE INDEX ix_promotions_version ON promotions (version);

CREATE INDEX ix_promotions_profile_id ON promotions (profile, id);

CREATE TABLE api_keys (
    id TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    device TEXT,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT ck_api_keys_role CHECK (role IN ('device', 'viewer', 'labeler', 'operator', 'admin')),
    CONSTRAINT ck_api_keys_device CHECK ((role = 'device') = (device IS NOT NULL)),
    CONSTRAINT ck_api_keys_sha256 CHECK (octet_length(sha256) = 32),
    CONSTRAINT fk_api_keys_device FOREIGN KEY (device) REFERENCES devices (id) ON DELETE CASCADE
);

CREATE INDEX ix_api_keys_device ON api_keys (device);

-- One row per stream is updated with every checkpoint: room beside it keeps updates on
-- the same page (HOT), and up to 8 KiB of state stay in the row, uncompressed.
CREATE TABLE streams (
    device TEXT NOT NULL,
    boot TEXT NOT NULL,
    generation BIGINT NOT NULL,
    watermark BIGINT NOT NULL,
    state BYTEA,
    detector_version INTEGER NOT NULL,
    held_from BIGINT,
    missing BIGINT[] NOT NULL,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    last_seen TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_streams PRIMARY KEY (device, boot),
    CONSTRAINT ck_streams_generation CHECK (generation >= 1),
    CONSTRAINT ck_streams_watermark CHECK (watermark >= 0),
    CONSTRAINT ck_streams_boot CHECK (length(boot) BETWEEN 1 AND 200),
    CONSTRAINT fk_streams_device FOREIGN KEY (device) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT fk_streams_detector_version FOREIGN KEY (detector_version) REFERENCES detector_versions (number)
) WITH (fillfactor = 50, toast_tuple_target = 8160);

CREATE TABLE events (
    id UUID NOT NULL,
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    device TEXT NOT NULL,
    boot TEXT NOT NULL,
    profile TEXT NOT NULL,
    detector_version INTEGER,
    onset_seq BIGINT NOT NULL,
    offset_seq BIGINT NOT NULL,
    onset TIMESTAMPTZ NOT NULL,
    "offset" TIMESTAMPTZ NOT NULL,
    peak DOUBLE PRECISION NOT NULL,
    flags TEXT[] NOT NULL,
    "window" BYTEA NOT NULL,
    n_readings INTEGER NOT NULL,
    n_channels INTEGER NOT NULL,
    pre_roll INTEGER NOT NULL,
    post_roll INTEGER NOT NULL,
    classified BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (id),
    CONSTRAINT ck_events_offset_seq CHECK (offset_seq >= onset_seq),
    CONSTRAINT ck_events_shape CHECK (n_readings >= 0 AND n_channels >= 1),
    CONSTRAINT ck_events_rolls CHECK (pre_roll >= 0 AND post_roll >= 0),
    CONSTRAINT uq_events_position UNIQUE (position),
    CONSTRAINT fk_events_device FOREIGN KEY (device) REFERENCES devices (id) ON DELETE CASCADE,
    CONSTRAINT fk_events_profile FOREIGN KEY (profile) REFERENCES profiles (name),
    CONSTRAINT fk_events_detector_version FOREIGN KEY (detector_version) REFERENCES detector_versions (number)
);

CREATE INDEX ix_events_profile_position ON events (profile, position);

CREATE INDEX ix_events_flagged ON events (position) WHERE flags <> '{}'::text[];

CREATE INDEX ix_events_unclassified ON events (profile, position) WHERE NOT classified;

CREATE INDEX ix_events_device_position ON events (device, position);

CREATE INDEX ix_events_onset_position ON events (onset, position);

CREATE TABLE predictions (
    event UUID NOT NULL,
    model_version INTEGER NOT NULL,
    label TEXT NOT NULL,
    probability DOUBLE PRECISION NOT NULL,
    classes TEXT[] NOT NULL,
    probabilities DOUBLE PRECISION[] NOT NULL,
    unknown BOOLEAN NOT NULL,
    features_digest TEXT NOT NULL,
    first BOOLEAN NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_predictions PRIMARY KEY (event, model_version),
    CONSTRAINT ck_predictions_classes CHECK (cardinality(classes) = cardinality(probabilities)),
    CONSTRAINT fk_predictions_event FOREIGN KEY (event) REFERENCES events (id) ON DELETE CASCADE,
    CONSTRAINT fk_predictions_model_version FOREIGN KEY (model_version) REFERENCES model_versions (version)
);

CREATE UNIQUE INDEX uq_predictions_first ON predictions (event) WHERE first;

CREATE INDEX ix_predictions_answer ON predictions (model_version, label) WHERE first;

CREATE TABLE labels (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    event UUID NOT NULL,
    label TEXT NOT NULL,
    by TEXT NOT NULL,
    source TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_labels PRIMARY KEY (id),
    CONSTRAINT ck_labels_label CHECK (length(label) <= 200),
    CONSTRAINT fk_labels_event FOREIGN KEY (event) REFERENCES events (id) ON DELETE CASCADE
);

CREATE INDEX ix_labels_at ON labels (at);

CREATE INDEX ix_labels_label ON labels (label);

CREATE INDEX ix_labels_event_id ON labels (event, id);

CREATE TABLE gaps (
    device TEXT NOT NULL,
    boot TEXT NOT NULL,
    first_seq BIGINT NOT NULL,
    next_seq BIGINT NOT NULL,
    why TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_gaps PRIMARY KEY (device, boot, first_seq, next_seq, why),
    CONSTRAINT fk_gaps_device_boot FOREIGN KEY (device, boot) REFERENCES streams (device, boot) ON DELETE CASCADE
);

CREATE TABLE recordings (
    device TEXT NOT NULL,
    boot TEXT NOT NULL,
    first_seq BIGINT NOT NULL,
    next_seq BIGINT NOT NULL,
    values BYTEA NOT NULL,
    times BYTEA NOT NULL,
    device_times BOOLEAN NOT NULL,
    kept BOOLEAN NOT NULL,
    CONSTRAINT pk_recordings PRIMARY KEY (device, boot, first_seq),
    CONSTRAINT fk_recordings_device_boot FOREIGN KEY (device, boot) REFERENCES streams (device, boot) ON DELETE CASCADE,
    CONSTRAINT ck_recordings_next_seq CHECK (next_seq > first_seq)
);

ALTER TABLE profiles ADD CONSTRAINT fk_profiles_champion_version FOREIGN KEY (champion_version) REFERENCES model_versions (version);
ALTER TABLE profiles ADD CONSTRAINT fk_profiles_detector_version FOREIGN KEY (detector_version) REFERENCES detector_versions (number);

-- Bytes that come compressed, or change with every commit, are not worth compressing.
ALTER TABLE streams ALTER COLUMN state SET STORAGE EXTERNAL;
ALTER TABLE events ALTER COLUMN "window" SET STORAGE EXTERNAL;
ALTER TABLE recordings ALTER COLUMN values SET STORAGE EXTERNAL;
ALTER TABLE recordings ALTER COLUMN times SET STORAGE EXTERNAL;

-- Events are numbered in commit order. The lock is taken before the first number of a
-- statement is drawn and kept until the transaction ends, so a number is never visible
-- before all lower ones are: a reader that asks "after position n" misses nothing.
CREATE FUNCTION onset_events_in_commit_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(8029464456241905666);
    RETURN NULL;
END
$$;

CREATE TRIGGER events_in_commit_order BEFORE INSERT ON events
    FOR EACH STATEMENT EXECUTE FUNCTION onset_events_in_commit_order();

-- What was said stays said. Only erasing a device takes its rows along.
CREATE FUNCTION onset_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('onset.erasing', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% of table % is refused: its rows are never changed',
        TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION onset_never() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of table % is refused: its rows are never changed',
        TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER labels_append_only BEFORE UPDATE OR DELETE ON labels
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
CREATE TRIGGER promotions_append_only BEFORE UPDATE OR DELETE ON promotions
    FOR EACH ROW EXECUTE FUNCTION onset_never();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION onset_never();
CREATE TRIGGER detector_versions_append_only BEFORE UPDATE OR DELETE ON detector_versions
    FOR EACH ROW EXECUTE FUNCTION onset_never();
CREATE TRIGGER model_versions_append_only BEFORE UPDATE OR DELETE ON model_versions
    FOR EACH ROW EXECUTE FUNCTION onset_never();
CREATE TRIGGER labels_not_truncated BEFORE TRUNCATE ON labels
    FOR EACH STATEMENT EXECUTE FUNCTION onset_never();
CREATE TRIGGER promotions_not_truncated BEFORE TRUNCATE ON promotions
    FOR EACH STATEMENT EXECUTE FUNCTION onset_never();
CREATE TRIGGER audit_not_truncated BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION onset_never();
CREATE TRIGGER detector_versions_not_truncated BEFORE TRUNCATE ON detector_versions
    FOR EACH STATEMENT EXECUTE FUNCTION onset_never();
CREATE TRIGGER model_versions_not_truncated BEFORE TRUNCATE ON model_versions
    FOR EACH STATEMENT EXECUTE FUNCTION onset_never();
