DROP INDEX ix_promotions_device_id;
ALTER TABLE promotions DISABLE TRIGGER promotions_append_only;
UPDATE promotions SET act = CASE WHEN version IS NULL THEN 'release' ELSE 'promote' END WHERE act = 'canary';
ALTER TABLE promotions ENABLE TRIGGER promotions_append_only;
ALTER TABLE promotions
    DROP CONSTRAINT ck_promotions_act,
    ADD CONSTRAINT ck_promotions_act CHECK (act IN ('promote', 'rollback', 'release'));
DROP TABLE canaries;
