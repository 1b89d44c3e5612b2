-- Revision 0012: a challenger that is no worse and knows more is a refresh. Frozen.

ALTER TABLE model_versions
    DROP CONSTRAINT ck_model_versions_verdict,
    ADD CONSTRAINT ck_model_versions_verdict CHECK (verdict IN ('promote', 'refresh', 'hold', 'reject', 'not_enough_evidence'));
