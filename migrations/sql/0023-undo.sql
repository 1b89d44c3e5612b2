ALTER TABLE recordings DROP COLUMN at;
ALTER TABLE profiles DROP COLUMN retention;
