// Package grafana puts boards and alert rules into Grafana 9.4 to 13, and shows
// what somebody changed there by hand before it is overwritten.
//
// It knows a board, or a rule, only as a JSON model with a uid; what is in it is
// the matter of its parent. Everything is found by uid, never by Grafana's numbers,
// whose routes Grafana 13 no longer answers. Models are passed on as they are: the
// types of grafana-tools/sdk are older than the panels.
//
// # What was changed by hand
//
// Every board that is pushed carries a stamp, a hidden constant variable (see
// Stamp) with two fingerprints: of the model that was pushed and of the model
// that Grafana made of it. Grafana's own editor keeps variables, so the stamp
// survives a save by hand while the fingerprint of the rest does not. Grafana is
// asked for the board again after each push: a version that rewrites models on
// the way in is not mistaken for a person.
//
// An alert rule carries the same stamp in an annotation. A rule that has it, in our
// folder, and is no longer among those that are pushed is removed; what others
// keep there is not.
//
// Nothing is ever saved with "overwrite": with it Grafana replaces whatever has
// the same title in the folder. The version that was looked at is sent instead,
// so that a change in the meantime is refused (412) and not lost.
package grafana
