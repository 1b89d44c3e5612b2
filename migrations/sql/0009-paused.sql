-- Revision 0009: devices whose readings are not taken for the time being. Frozen.

ALTER TABLE devices
    ADD COLUMN paused_at TIMESTAMPTZ,
    ADD COLUMN paused_by TEXT,
    ADD COLUMN paused_why TEXT,
    ADD CONSTRAINT ck_devices_paused CHECK (
        (paused_at IS NULL) = (paused_by IS NULL) AND (paused_at IS NULL) = (paused_why IS NULL)
    );
