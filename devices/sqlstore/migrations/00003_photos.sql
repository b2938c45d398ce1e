-- A photo's data in a table of its own, so that a list of photos reads none of
-- it. A removed photo leaves its row, so that its number is never given again.

-- +goose Up
CREATE TABLE photo_data (
	photo BIGINT PRIMARY KEY REFERENCES photo (id),
	data BYTEA NOT NULL
);
INSERT INTO photo_data (photo, data) SELECT id, data FROM photo;
ALTER TABLE photo ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE photo ADD COLUMN width BIGINT NOT NULL DEFAULT 0; -- px
ALTER TABLE photo ADD COLUMN height BIGINT NOT NULL DEFAULT 0;
ALTER TABLE photo ADD COLUMN digest TEXT NOT NULL DEFAULT ''; -- SHA-256 of what was sent, in hexadecimal
ALTER TABLE photo ADD COLUMN who TEXT NOT NULL DEFAULT '';
ALTER TABLE photo ADD COLUMN removed BIGINT;
UPDATE photo SET bytes = LENGTH(data);
ALTER TABLE photo DROP COLUMN data;

-- +goose Down
ALTER TABLE photo ADD COLUMN data BYTEA;
UPDATE photo SET data = (SELECT d.data FROM photo_data d WHERE d.photo = photo.id);
DELETE FROM photo WHERE data IS NULL;
ALTER TABLE photo DROP COLUMN removed;
ALTER TABLE photo DROP COLUMN who;
ALTER TABLE photo DROP COLUMN digest;
ALTER TABLE photo DROP COLUMN height;
ALTER TABLE photo DROP COLUMN width;
ALTER TABLE photo DROP COLUMN bytes;
DROP TABLE photo_data;
