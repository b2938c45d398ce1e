package ingest

import "fmt"

// Disk is the file system that holds the data folder, and how much of it is kept
// free. Whoever writes there asks it first. A nil Disk has no limits.
//
//	            5/4 reserve      reserve              1/2 reserve            0
//	─────────────────┼──────────────┼──────────────────────┼─────────────────┤ free
//	                 │ quarantine   │ gateways hold, and   │ loader, store, history
//	                 │ grows no     │ photos and backups   │ and notes hold: what is
//	                 │ more         │ are refused          │ left is for who makes room
//
// Between the reserve and half of it the loader still empties the journal, which
// gives back more than store and ledger take.
type Disk struct {
	Dir string
	// Reserve is in bytes; 0 keeps nothing free.
	Reserve uint64
	// Free measures what is free, in bytes.
	Free func() (uint64, error)
}

// Tight reports whether the quarantine may grow no more.
func (d *Disk) Tight() bool {
	free, limited := d.free()
	return limited && free < d.Reserve+d.Reserve/4
}

// Hold says why nothing new may be taken; nil if it may.
func (d *Disk) Hold() error {
	free, limited := d.free()
	if !limited || free >= d.Reserve {
		return nil
	}
	return fmt.Errorf("the disk of %s has %d MiB free, less than the reserve of %d MiB of --disk-reserve: free some space, or lower the reserve",
		d.Dir, free>>20, d.Reserve>>20)
}

// Stop says why nothing may be written at all but what makes room; nil if it may.
func (d *Disk) Stop() error {
	free, limited := d.free()
	if !limited || free >= d.Reserve/2 {
		return nil
	}
	return fmt.Errorf("the disk of %s has %d MiB free, less than half the reserve of %d MiB of --disk-reserve; nothing is lost, messages wait in the journal, in devices and at brokers:"+
		" free some space (haidang quarantine purge does too), or lower the reserve", d.Dir, free>>20, d.Reserve>>20)
}

// free is what is free, and whether there is a limit to hold it against.
func (d *Disk) free() (uint64, bool) {
	if d == nil || d.Reserve == 0 {
		return 0, false
	}
	free, err := d.Free()
	return free, err == nil
}
