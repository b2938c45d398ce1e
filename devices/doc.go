// Package devices knows what stands where: localities and their wards, sites,
// devices, which device stood at which site from when to when, and who changed
// what and why. It does no I/O of its own; a [Store] keeps what it knows.
//
// # Words
//
// A site is a place that is measured; a device is a piece of hardware; an
// installation is a device at a site from a time to a time. Series follow the
// site: after a swap the same site goes on being measured by another device.
//
// # Guarantees
//
// Each operation of [Registry] and [Batch] happens as a whole or not at all, and
// is in the journal of changes with who did it and why. Entities carry a
// version: an update names the version it has seen, and is refused as a conflict
// if another came first. Operations return typed errors ([Error], [Errors]) of
// four codes, each with its field and a sentence in Vietnamese and in English.
//
// When a change has been committed, the [Snapshot] that [Admission] asks for
// every reading already has it: an operation returns after that.
//
// # Time
//
// Times are UTC and kept to the millisecond. Periods are half-open: an
// installation has the moment it begins and not the moment it ends, so that a
// swap leaves no moment without a device and none with two.
package devices
