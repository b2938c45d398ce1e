-- Both databases read this file. IDTEXT is text in the order of its bytes: a
-- domain over TEXT COLLATE "C" in PostgreSQL, and in SQLite, where any name with
-- TEXT in it is text, that is how text is. Times are milliseconds since 1970 UTC;
-- NULL is a time that is not known or still open.

-- +goose Up
CREATE TABLE ward (
	code IDTEXT PRIMARY KEY,
	name_vi TEXT NOT NULL,
	name_en TEXT NOT NULL,
	form TEXT NOT NULL,
	former TEXT NOT NULL, -- JSON, names
	west DOUBLE PRECISION NOT NULL,
	south DOUBLE PRECISION NOT NULL,
	east DOUBLE PRECISION NOT NULL,
	north DOUBLE PRECISION NOT NULL,
	area_km2 DOUBLE PRECISION NOT NULL,
	valid_from BIGINT,
	valid_to BIGINT,
	version BIGINT NOT NULL
);

CREATE TABLE locality (
	id IDTEXT PRIMARY KEY,
	name_vi TEXT NOT NULL,
	name_en TEXT NOT NULL,
	wards TEXT NOT NULL, -- JSON: ward, from, to
	west DOUBLE PRECISION NOT NULL,
	south DOUBLE PRECISION NOT NULL,
	east DOUBLE PRECISION NOT NULL,
	north DOUBLE PRECISION NOT NULL,
	valid_from BIGINT,
	valid_to BIGINT,
	version BIGINT NOT NULL
);

CREATE TABLE profile (
	id IDTEXT PRIMARY KEY,
	name_vi TEXT NOT NULL,
	name_en TEXT NOT NULL,
	model TEXT NOT NULL,
	codec TEXT NOT NULL,
	kinds TEXT NOT NULL, -- words between spaces
	fields TEXT NOT NULL, -- JSON
	notes TEXT NOT NULL,
	version BIGINT NOT NULL
);

CREATE TABLE site (
	id IDTEXT PRIMARY KEY,
	search TEXT NOT NULL, -- devices.SearchKey of what is searched
	name TEXT NOT NULL,
	name_en TEXT NOT NULL,
	locality IDTEXT NOT NULL REFERENCES locality (id),
	ward IDTEXT REFERENCES ward (code),
	lat DOUBLE PRECISION NOT NULL,
	lon DOUBLE PRECISION NOT NULL,
	accuracy DOUBLE PRECISION NOT NULL, -- m
	outside_reason TEXT NOT NULL,
	mount_height DOUBLE PRECISION NOT NULL, -- m
	tags TEXT NOT NULL, -- words between spaces
	noise_area TEXT NOT NULL,
	notes TEXT NOT NULL,
	provisional BOOLEAN NOT NULL,
	state TEXT NOT NULL,
	version BIGINT NOT NULL,
	updated BIGINT
);
CREATE INDEX site_by_locality ON site (locality, id);
CREATE INDEX site_by_place ON site (lat, lon);

CREATE TABLE device (
	id IDTEXT PRIMARY KEY,
	kinds TEXT NOT NULL, -- words between spaces
	model TEXT NOT NULL,
	profile TEXT NOT NULL,
	serial TEXT NOT NULL,
	gateway TEXT NOT NULL,
	notes TEXT NOT NULL,
	provisional BOOLEAN NOT NULL,
	simulated BOOLEAN NOT NULL,
	state TEXT NOT NULL,
	search TEXT NOT NULL, -- devices.SearchKey of what is searched
	version BIGINT NOT NULL,
	created BIGINT,
	updated BIGINT
);
CREATE INDEX device_by_serial ON device (serial);

CREATE TABLE installation (
	id BIGINT PRIMARY KEY,
	device IDTEXT NOT NULL REFERENCES device (id),
	site IDTEXT NOT NULL REFERENCES site (id),
	begins BIGINT NOT NULL,
	ends BIGINT,
	redundant BOOLEAN NOT NULL,
	cadence BIGINT NOT NULL, -- ns; 0 is the kind's
	provisional BOOLEAN NOT NULL,
	version BIGINT NOT NULL
);
CREATE INDEX installation_by_device ON installation (device, begins);
CREATE INDEX installation_by_site ON installation (site, begins);
-- A device stands at one place at a time, whatever a program may do.
CREATE UNIQUE INDEX installation_open ON installation (device) WHERE ends IS NULL;

-- Where devices stand now, for lists: one row for each device, whose site is ''
-- if it stands nowhere. It repeats what device, installation and site say, in
-- narrow rows that are soon gone through.
CREATE TABLE placed (
	device IDTEXT PRIMARY KEY REFERENCES device (id),
	site IDTEXT NOT NULL,
	installation BIGINT NOT NULL,
	locality IDTEXT NOT NULL,
	ward IDTEXT NOT NULL,
	lat DOUBLE PRECISION NOT NULL,
	lon DOUBLE PRECISION NOT NULL,
	kinds TEXT NOT NULL,
	state TEXT NOT NULL,
	search TEXT NOT NULL -- of device and site
);
CREATE INDEX placed_by_site ON placed (site, device);

CREATE TABLE photo (
	id BIGINT PRIMARY KEY,
	installation BIGINT NOT NULL REFERENCES installation (id),
	type TEXT NOT NULL,
	data BYTEA NOT NULL,
	at BIGINT NOT NULL
);
CREATE INDEX photo_by_installation ON photo (installation);

-- Only ever added to. seq counts from 1 without a gap.
CREATE TABLE change (
	seq BIGINT PRIMARY KEY,
	at BIGINT NOT NULL,
	entity TEXT NOT NULL,
	id IDTEXT NOT NULL,
	action TEXT NOT NULL,
	who TEXT NOT NULL,
	why TEXT NOT NULL,
	request TEXT NOT NULL,
	site IDTEXT NOT NULL,
	device IDTEXT NOT NULL,
	before TEXT NOT NULL, -- JSON, or ''
	after TEXT NOT NULL -- JSON, or ''
);
CREATE INDEX change_by_entity ON change (entity, id, seq);
CREATE INDEX change_by_site ON change (site, seq);
CREATE INDEX change_by_device ON change (device, seq);

CREATE TABLE request (
	id IDTEXT PRIMARY KEY,
	digest TEXT NOT NULL,
	answer TEXT NOT NULL, -- JSON
	at BIGINT NOT NULL
);

CREATE TABLE heard (
	device IDTEXT PRIMARY KEY,
	locality IDTEXT NOT NULL,
	kind TEXT NOT NULL,
	reason TEXT NOT NULL,
	provisional BOOLEAN NOT NULL,
	first_at BIGINT,
	last_at BIGINT,
	earliest BIGINT,
	count BIGINT NOT NULL,
	topic TEXT NOT NULL,
	gateway TEXT NOT NULL,
	sample BYTEA,
	search TEXT NOT NULL
);
CREATE INDEX heard_by_last ON heard (last_at);

-- +goose Down
DROP TABLE heard;
DROP TABLE request;
DROP TABLE change;
DROP TABLE photo;
DROP TABLE placed;
DROP TABLE installation;
DROP TABLE device;
DROP TABLE site;
DROP TABLE profile;
DROP TABLE locality;
DROP TABLE ward;
