ALTER TABLE promotions DISABLE TRIGGER promotions_append_only;
DELETE FROM promotions WHERE device IS NOT NULL;
ALTER TABLE promotions ENABLE TRIGGER promotions_append_only;
ALTER TABLE promotions
    DROP CONSTRAINT ck_promotions_version,
    DROP CONSTRAINT ck_promotions_act,
    ADD CONSTRAINT ck_promotions_act CHECK (act IN ('promote', 'rollback')),
    ALTER COLUMN version SET NOT NULL,
    DROP COLUMN device;
ALTER TABLE model_versions DROP COLUMN device;
ALTER TABLE devices DROP COLUMN model_version, DROP COLUMN adaptation;
