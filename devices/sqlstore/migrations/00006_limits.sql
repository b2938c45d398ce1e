-- Limits of single sites: a gauge's alarm levels, a reservoir's, an operator's own.
-- A removed one leaves its row, so that its number is never given again.
--
-- A site's noise area is said in one place: what was a tag becomes the area. Where
-- both were said and differ, the area counts, for somebody chose it.

-- +goose Up
CREATE TABLE site_limit (
	id BIGINT PRIMARY KEY,
	site IDTEXT NOT NULL REFERENCES site (id),
	device IDTEXT NOT NULL, -- '' is all at the site
	code TEXT NOT NULL,
	kind TEXT NOT NULL,
	metric TEXT NOT NULL,
	statistic TEXT NOT NULL,
	span BIGINT NOT NULL, -- ns, the window; 0 is the usual
	threshold DOUBLE PRECISION NOT NULL, -- in the catalogue's unit
	below BOOLEAN NOT NULL,
	strict BOOLEAN NOT NULL,
	severity TEXT NOT NULL,
	name_vi TEXT NOT NULL,
	name_en TEXT NOT NULL,
	year BIGINT NOT NULL, -- of a record; 0 is not known
	datum TEXT NOT NULL,
	basis TEXT NOT NULL,
	reference TEXT NOT NULL,
	reference_en TEXT NOT NULL,
	valid_from BIGINT,
	valid_to BIGINT,
	version BIGINT NOT NULL,
	updated BIGINT,
	removed BIGINT
);
CREATE INDEX site_limit_by_site ON site_limit (site, id);

UPDATE site SET noise_area = 'special' WHERE noise_area = '' AND tags LIKE '% special %';
UPDATE site SET noise_area = 'ordinary' WHERE noise_area = '' AND tags LIKE '% ordinary %';
UPDATE site SET tags = REPLACE(REPLACE(tags, ' special ', ' '), ' ordinary ', ' ') WHERE tags LIKE '% special %' OR tags LIKE '% ordinary %';

-- +goose Down
UPDATE site SET tags = tags || noise_area || ' ' WHERE noise_area <> '';
DROP TABLE site_limit;
