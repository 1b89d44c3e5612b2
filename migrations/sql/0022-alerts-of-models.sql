-- Revision 0022: alerts that are about a profile's model and no device. Frozen.

ALTER TABLE alerts
    ALTER COLUMN device DROP NOT NULL,
    ADD COLUMN sentence TEXT;

ALTER TABLE alert_rules
    DROP CONSTRAINT ck_alert_rules_on,
    ADD CONSTRAINT ck_alert_rules_on
        CHECK ("on" IN ('event', 'prediction', 'silence', 'drift', 'training', 'rollback'));
