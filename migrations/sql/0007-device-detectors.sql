-- Revision 0007: a device may have a detector of its own. Frozen.

ALTER TABLE devices
    ADD COLUMN detector_version INTEGER,
    ADD CONSTRAINT fk_devices_detector_version FOREIGN KEY (detector_version) REFERENCES detector_versions (number);

CREATE INDEX ix_devices_detector_version ON devices (detector_version) WHERE detector_version IS NOT NULL;

ALTER TABLE detector_versions ADD COLUMN device TEXT;

ALTER TABLE detector_promotions
    ADD COLUMN device TEXT,
    ALTER COLUMN number DROP NOT NULL,
    ADD CONSTRAINT ck_detector_promotions_number CHECK (number IS NOT NULL OR device IS NOT NULL);
