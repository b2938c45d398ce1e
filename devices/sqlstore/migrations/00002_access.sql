-- Accounts, sessions, tokens, links, devices' credentials and the journal of
-- access. Of secrets only hashes are here. As in 00001, times are milliseconds
-- since 1970 UTC and NULL is a time that is open.

-- +goose Up
CREATE TABLE access_account (
	name IDTEXT PRIMARY KEY,
	display TEXT NOT NULL,
	role TEXT NOT NULL,
	localities TEXT NOT NULL, -- words between spaces; none is all
	password TEXT NOT NULL, -- argon2id as a PHC string, or ''
	issuer IDTEXT, -- of OpenID Connect; NULL for a local account
	subject IDTEXT,
	disabled BIGINT,
	created BIGINT NOT NULL,
	updated BIGINT NOT NULL,
	version BIGINT NOT NULL
);
CREATE UNIQUE INDEX access_account_by_subject ON access_account (issuer, subject);

CREATE TABLE access_session (
	hash IDTEXT PRIMARY KEY, -- SHA-256 of the cookie's secret
	account IDTEXT NOT NULL REFERENCES access_account (name),
	created BIGINT NOT NULL,
	seen BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	remote TEXT NOT NULL,
	agent TEXT NOT NULL
);
CREATE INDEX access_session_by_account ON access_session (account);

CREATE TABLE access_token (
	id IDTEXT PRIMARY KEY,
	hash IDTEXT NOT NULL UNIQUE, -- SHA-256 of the secret
	account IDTEXT NOT NULL REFERENCES access_account (name),
	name TEXT NOT NULL,
	scopes TEXT NOT NULL, -- words between spaces
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	first_used BIGINT,
	last_used BIGINT,
	revoked BIGINT
);
CREATE INDEX access_token_by_account ON access_token (account);

CREATE TABLE access_link (
	hash IDTEXT PRIMARY KEY, -- SHA-256 of the secret
	purpose TEXT NOT NULL, -- first, invite, password
	account IDTEXT NOT NULL, -- whose new password; or ''
	role TEXT NOT NULL,
	localities TEXT NOT NULL,
	made_by TEXT NOT NULL,
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	used BIGINT
);

CREATE TABLE access_credential (
	id BIGINT PRIMARY KEY,
	device IDTEXT NOT NULL REFERENCES device (id),
	sealed TEXT NOT NULL, -- hmac-sha256$salt$sum
	mosquitto TEXT NOT NULL, -- $7$passes$salt$key
	issued BIGINT NOT NULL,
	issued_by TEXT NOT NULL,
	expires BIGINT,
	revoked BIGINT,
	revoked_by TEXT NOT NULL
);
CREATE INDEX access_credential_by_device ON access_credential (device, id);
CREATE INDEX access_credential_by_expiry ON access_credential (expires);
CREATE INDEX access_credential_by_revocation ON access_credential (revoked);

-- Only ever added to, until an entry is too old.
CREATE TABLE access_event (
	seq BIGINT PRIMARY KEY,
	at BIGINT NOT NULL,
	since BIGINT,
	count BIGINT NOT NULL,
	action TEXT NOT NULL,
	who TEXT NOT NULL,
	subject TEXT NOT NULL,
	reason TEXT NOT NULL,
	detail TEXT NOT NULL,
	remote TEXT NOT NULL
);
CREATE INDEX access_event_by_time ON access_event (at);
CREATE INDEX access_event_by_subject ON access_event (subject, seq);

-- +goose Down
DROP TABLE access_event;
DROP TABLE access_credential;
DROP TABLE access_link;
DROP TABLE access_token;
DROP TABLE access_session;
DROP TABLE access_account;
