-- Revision 0005: what the boundaries of events were before somebody moved them. Frozen.

CREATE TABLE event_revisions (
    event UUID NOT NULL,
    number INTEGER NOT NULL,
    onset_seq BIGINT NOT NULL,
    offset_seq BIGINT NOT NULL,
    onset TIMESTAMPTZ NOT NULL,
    "offset" TIMESTAMPTZ NOT NULL,
    "window" BYTEA NOT NULL,
    n_readings INTEGER NOT NULL,
    pre_roll INTEGER NOT NULL,
    post_roll INTEGER NOT NULL,
    by TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_event_revisions PRIMARY KEY (event, number),
    CONSTRAINT ck_event_revisions_number CHECK (number >= 1),
    CONSTRAINT fk_event_revisions_event FOREIGN KEY (event) REFERENCES events (id) ON DELETE CASCADE
);

CREATE TRIGGER event_revisions_append_only BEFORE UPDATE OR DELETE ON event_revisions
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
