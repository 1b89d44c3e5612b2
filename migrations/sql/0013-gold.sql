-- Revision 0013: labelled events that judge models and teach none. Frozen.

CREATE TABLE gold (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    event UUID NOT NULL,
    label TEXT NOT NULL,
    by TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_gold PRIMARY KEY (id),
    CONSTRAINT ck_gold_label CHECK (length(label) <= 200),
    CONSTRAINT fk_gold_event FOREIGN KEY (event) REFERENCES events (id) ON DELETE CASCADE
);

CREATE INDEX ix_gold_event_id ON gold (event, id);

CREATE TRIGGER gold_append_only BEFORE UPDATE OR DELETE ON gold
    FOR EACH ROW EXECUTE FUNCTION onset_append_only();
CREATE TRIGGER gold_not_truncated BEFORE TRUNCATE ON gold
    FOR EACH STATEMENT EXECUTE FUNCTION onset_never();
