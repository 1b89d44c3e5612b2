-- Revision 0006: where detector versions come from, and which served when. Frozen.

ALTER TABLE detector_versions
    ADD COLUMN source TEXT DEFAULT 'set' NOT NULL,
    ADD COLUMN parent INTEGER,
    ADD COLUMN verdict TEXT,
    ADD COLUMN reason TEXT,
    ADD COLUMN report JSONB,
    ADD CONSTRAINT ck_detector_versions_source CHECK (source IN ('set', 'learnt')),
    ADD CONSTRAINT fk_detector_versions_parent FOREIGN KEY (parent) REFERENCES detector_versions (number);

CREATE TABLE detector_promotions (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    profile TEXT NOT NULL,
    number INTEGER NOT NULL,
    previous INTEGER,
    act TEXT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_detector_promotions PRIMARY KEY (id),
    CONSTRAINT ck_detector_promotions_act CHECK (act IN ('set', 'promote', 'rollback')),
    CONSTRAINT fk_detector_promotions_profile FOREIGN KEY (profile) REFERENCES profiles (name),
    CONSTRAINT fk_detector_promotions_number FOREIGN KEY (number) REFERENCES detector_versions (number),
    CONSTRAINT fk_detector_promotions_previous FOREIGN KEY (previous) REFERENCES detector_versions (number)
);

CREATE INDEX ix_detector_promotions_profile_id ON detector_promotions (profile, id);

INSERT INTO detector_promotions (profile, number, act, by, reason)
    SELECT name, detector_version, 'set', 'migration', 'served when the ledger began'
    FROM profiles WHERE detector_version IS NOT NULL;

CREATE TRIGGER detector_promotions_append_only BEFORE UPDATE OR DELETE ON detector_promotions
    FOR EACH ROW EXECUTE FUNCTION onset_never();
CREATE TRIGGER detector_promotions_not_truncated BEFORE TRUNCATE ON detector_promotions
    FOR EACH STATEMENT EXECUTE FUNCTION onset_never();
