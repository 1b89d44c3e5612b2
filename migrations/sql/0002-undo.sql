-- All that procrastinate made: tables first, then what remains of functions and types.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT oid::regclass::text FROM pg_class
        WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
        AND starts_with(relname, 'procrastinate_')
    LOOP
        EXECUTE 'DROP TABLE ' || name || ' CASCADE';
    END LOOP;
    FOR name IN SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace
        AND starts_with(proname, 'procrastinate_')
    LOOP
        EXECUTE 'DROP FUNCTION ' || name || ' CASCADE';
    END LOOP;
    FOR name IN SELECT oid::regtype::text FROM pg_type
        WHERE typnamespace = current_schema()::regnamespace
        AND typtype IN ('e', 'c') AND starts_with(typname, 'procrastinate_')
    LOOP
        EXECUTE 'DROP TYPE ' || name || ' CASCADE';
    END LOOP;
END
$$;
