-- What a ward became when it ended: JSON, codes of wards.

-- +goose Up

ALTER TABLE ward ADD COLUMN successors TEXT NOT NULL DEFAULT '[]';

-- +goose Down

ALTER TABLE ward DROP COLUMN successors;
