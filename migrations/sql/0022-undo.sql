DELETE FROM alert_rules WHERE "on" IN ('drift', 'training', 'rollback');
ALTER TABLE alert_rules
    DROP CONSTRAINT ck_alert_rules_on,
    ADD CONSTRAINT ck_alert_rules_on CHECK ("on" IN ('event', 'prediction', 'silence'));
ALTER TABLE alerts
    ALTER COLUMN device SET NOT NULL,
    DROP COLUMN sentence;
