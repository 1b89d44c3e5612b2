-- Revision 0021: versions that serve a share of a profile's devices. Frozen.

CREATE TABLE canaries (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    profile TEXT NOT NULL,
    version INTEGER NOT NULL,
    share DOUBLE PRECISION NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    position BIGINT NOT NULL,
    ended_at TIMESTAMPTZ,
    ended_by TEXT,
    CONSTRAINT pk_canaries PRIMARY KEY (id),
    CONSTRAINT ck_canaries_share CHECK (share > 0 AND share < 1),
    CONSTRAINT ck_canaries_ended CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT fk_canaries_profile FOREIGN KEY (profile) REFERENCES profiles (name),
    CONSTRAINT fk_canaries_version FOREIGN KEY (version) REFERENCES model_versions (version)
);

CREATE UNIQUE INDEX uq_canaries_present ON canaries (profile) WHERE ended_at IS NULL;

CREATE INDEX ix_canaries_version ON canaries (version);

ALTER TABLE promotions
    DROP CONSTRAINT ck_promotions_act,
    ADD CONSTRAINT ck_promotions_act CHECK (act IN ('promote', 'rollback', 'release', 'canary'));

CREATE INDEX ix_promotions_device_id ON promotions (device, id) WHERE device IS NOT NULL;
