-- Revision 0018: a device may have a model of its own. Frozen.

ALTER TABLE devices
    ADD COLUMN model_version INTEGER,
    ADD COLUMN adaptation JSONB,
    ADD CONSTRAINT fk_devices_model_version FOREIGN KEY (model_version) REFERENCES model_versions (version);

CREATE INDEX ix_devices_model_version ON devices (model_version) WHERE model_version IS NOT NULL;

ALTER TABLE model_versions ADD COLUMN device TEXT;

ALTER TABLE promotions
    ADD COLUMN device TEXT,
    ALTER COLUMN version DROP NOT NULL,
    DROP CONSTRAINT ck_promotions_act,
    ADD CONSTRAINT ck_promotions_act CHECK (act IN ('promote', 'rollback', 'release')),
    ADD CONSTRAINT ck_promotions_version CHECK (version IS NOT NULL OR device IS NOT NULL);
