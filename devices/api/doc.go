// Package api is the REST interface to the registry of devices: what the console,
// the field app and other programs of the city speak.
//
// # Files
//
// contract.go has the types that travel and ports.go the interfaces that others
// fill; operations.go is the one table of operations with the least role for each.
// The other files answer, one subject each. The OpenAPI document comes from the
// same lines.
//
// # Conventions
//
// JSON with names in snake_case; times in RFC 3339 and UTC; durations in seconds.
// A list is paged: it carries next as long as there is more, and cursor=next
// continues it.
//
// A site, device or installation carries an ETag. To change it, send that ETag as
// If-Match: without it the answer is 428, and 412 with what is there now if it was
// changed meanwhile. If-Match: * changes whatever is there.
//
// Errors are problem details (RFC 9457): a stable code and, for each thing that is
// wrong, its field, a stable code, a sentence in Vietnamese and one in English,
// where it helps a suggestion, and for a conflict what stands there now. 422 is
// input to be mended, 409 a contradiction to be decided by a person.
//
// Every change is in the journal with who made it and why: the reason travels as
// why, in the body or, where the body is a file, in the query.
package api
