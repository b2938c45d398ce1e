// Package access decides who may do what: people at the console, programs at the
// HTTP interface, devices at the MQTT broker. It keeps accounts, sessions, API
// tokens, the devices' credentials and a journal of access, and does so over a
// [Store]; sqlstore implements it.
//
// # Words
//
// An account is a person, local (with a password) or of an OpenID Connect
// issuer. A role is what a person may do, each role all that the ones before it
// may: viewer, field, operator, admin. A token lets a program act for an account,
// with the scopes it was given and never more than the account may at that
// moment. A credential is a device's user name and secret at the broker. A link
// is a secret URL that makes one account or one new password, once.
//
// # What is kept of a secret
//
//	password           argon2id (m = 46 MiB, t = 2, p = 1, 16 bytes of salt), as a PHC string
//	session, token,    256 random bits; SHA-256. Nobody can try 2^256 values, so a slow
//	link               hash would only cost us
//	device's secret    160 random bits; HMAC-SHA-256 with 16 bytes of salt, for the same
//	                   reason: 100,000 devices that come back after an outage are looked
//	                   up in seconds, where argon2id would take hours. Beside it the form
//	                   that Mosquitto reads, PBKDF2-SHA-512, which can only be made when
//	                   the secret is issued
//
// Secrets are shown once, are never logged, and cannot be read back.
//
// # Guarantees
//
// What an operation changes and its entry in the journal are one transaction.
// What is refused is in the journal too, repetitions as a count, so that a flood
// of attempts does not become a flood of rows. Memory is bounded whoever asks
// how often: log-in hashes at most two passwords at a time, strangers one, and the
// limits remember a fixed number of addresses. Wrong passwords keep out who
// entered them and nobody else.
//
// A request lasts no longer than the right by which it was let in: within seconds
// its context ends and what it still says is cut off.
//
// An HTTP operation that does not say who may use it is refused to everybody.
package access
