// Package damage is how a city finds out that what it keeps was damaged, cut or taken
// away, and what it has to go back to.
//
// Marks are a file beside the parts, written every two seconds and at the stop, that
// says what was there: which parts, how far each stream and log reached, which blocks
// the store had. Files of their own cannot tell that their end is missing; held against
// marks they can. Backups are whole copies of the SQLite files, one an hour.
package damage
