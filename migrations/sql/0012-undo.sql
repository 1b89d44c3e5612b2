-- Versions are immutable but for this: the older schema has no word for a refresh.
ALTER TABLE model_versions DISABLE TRIGGER USER;
UPDATE model_versions SET verdict = 'promote' WHERE verdict = 'refresh';
ALTER TABLE model_versions ENABLE TRIGGER USER;
ALTER TABLE model_versions
    DROP CONSTRAINT ck_model_versions_verdict,
    ADD CONSTRAINT ck_model_versions_verdict CHECK (verdict IN ('promote', 'hold', 'reject', 'not_enough_evidence'));
