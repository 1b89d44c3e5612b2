ALTER TABLE detector_promotions DISABLE TRIGGER detector_promotions_append_only;
DELETE FROM detector_promotions WHERE device IS NOT NULL;
ALTER TABLE detector_promotions ENABLE TRIGGER detector_promotions_append_only;
ALTER TABLE detector_promotions
    DROP CONSTRAINT ck_detector_promotions_number,
    ALTER COLUMN number SET NOT NULL,
    DROP COLUMN device;
ALTER TABLE detector_versions DROP COLUMN device;
ALTER TABLE devices DROP COLUMN detector_version;
