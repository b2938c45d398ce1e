-- The localities of who registered a device, to which it belongs until it has stood
-- somewhere; none is the whole city.

-- +goose Up

ALTER TABLE device ADD COLUMN home TEXT NOT NULL DEFAULT ' ';

-- +goose Down

ALTER TABLE device DROP COLUMN home;
