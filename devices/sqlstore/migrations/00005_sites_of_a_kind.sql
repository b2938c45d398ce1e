-- The sites of a kind are read from this index alone, in their order: nothing is
-- looked up in the table, sorted, or told twice.

-- +goose Up

DROP INDEX placed_by_site;
CREATE INDEX placed_by_site ON placed (site, kinds, locality, ward);

-- +goose Down

DROP INDEX placed_by_site;
CREATE INDEX placed_by_site ON placed (site, device);
