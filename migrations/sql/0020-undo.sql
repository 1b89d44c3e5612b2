CREATE OR REPLACE TRIGGER promotions_append_only BEFORE UPDATE OR DELETE ON promotions
    FOR EACH ROW EXECUTE FUNCTION onset_never();
CREATE OR REPLACE TRIGGER detector_versions_append_only BEFORE UPDATE OR DELETE ON detector_versions
    FOR EACH ROW EXECUTE FUNCTION onset_never();
CREATE OR REPLACE TRIGGER model_versions_append_only BEFORE UPDATE OR DELETE ON model_versions
    FOR EACH ROW EXECUTE FUNCTION onset_never();
CREATE OR REPLACE TRIGGER detector_promotions_append_only BEFORE UPDATE OR DELETE ON detector_promotions
    FOR EACH ROW EXECUTE FUNCTION onset_never();
DROP FUNCTION onset_but_names();
