-- Revision 0020: erasing a device takes its name out of ledgers. Frozen.

-- What a version was made for stays said, under a pseudonym: nothing but the name, and
-- manifests and reports that name it, may be changed, and only while a device is erased.
CREATE FUNCTION onset_but_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('onset.erasing', true) = 'on'
        AND to_jsonb(OLD) - '{device,manifest,report}'::text[] = to_jsonb(NEW) - '{device,manifest,report}'::text[]
        AND (to_jsonb(OLD) ->> 'device' IS NULL) = (to_jsonb(NEW) ->> 'device' IS NULL) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of table % is refused: its rows are never changed',
        TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE TRIGGER promotions_append_only BEFORE UPDATE OR DELETE ON promotions
    FOR EACH ROW EXECUTE FUNCTION onset_but_names();
CREATE OR REPLACE TRIGGER detector_versions_append_only BEFORE UPDATE OR DELETE ON detector_versions
    FOR EACH ROW EXECUTE FUNCTION onset_but_names();
CREATE OR REPLACE TRIGGER model_versions_append_only BEFORE UPDATE OR DELETE ON model_versions
    FOR EACH ROW EXECUTE FUNCTION onset_but_names();
CREATE OR REPLACE TRIGGER detector_promotions_append_only BEFORE UPDATE OR DELETE ON detector_promotions
    FOR EACH ROW EXECUTE FUNCTION onset_but_names();
