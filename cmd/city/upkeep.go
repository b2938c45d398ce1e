package city

import (
	"context"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/damage"
	"github.com/haidang-iot/haidang/ingest/sqlitefile"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
)

const (
	// upkeepEvery is how often it is looked whether a backup or a check is due.
	upkeepEvery = time.Minute
	// checkEvery is how often everything is read whole while a city runs.
	checkEvery = 24 * time.Hour
	// checkRate bounds how fast blocks are read meanwhile, in bytes a second: beside it
	// queries and the loader have the disk.
	checkRate = 16 << 20
	// lookAgain is after how long files that are written to are read once more before
	// something is said about them.
	lookAgain = 2 * time.Second
)

// run adds the data folder's upkeep to the process. Marks come first, to end last.
func (k *custody) run(parts *actors) {
	parts.add("marks", k.keepMarks)
	parts.add("backups", k.keepBackups)
	parts.add("checks", k.keepChecking)
}

// keepMarks writes marks until ctx ends, and once more then.
func (k *custody) keepMarks(ctx context.Context) error {
	tick := time.NewTicker(damage.MarkEvery)
	defer tick.Stop()
	failed := ""
	for {
		err := k.mark(context.WithoutCancel(ctx))
		switch {
		case err == nil:
			failed = ""
			k.findings.Resolve(damage.RuleMarks, "", "")
		case failed != err.Error():
			failed = err.Error()
			k.report(damage.MarksFailed(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// mark writes what is there now.
func (k *custody) mark(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	m := damage.Marks{}
	if k.broker != nil {
		m.Parts = append(m.Parts, brokerPart)
		streams, err := k.broker.Streams()
		if err != nil {
			return err
		}
		m.Streams = map[string]damage.Stream{}
		for name, s := range streams {
			m.Streams[name] = damage.Stream(s)
		}
	}
	if k.audit.Ledger == nil { // a door alone
		return k.writeMarks(m)
	}
	report, err := k.audit.Report(ctx, k.now())
	if err != nil {
		return err
	}
	m.Counted, m.Gateways = counted(report.Journal), map[string]damage.Gateway{}
	for _, b := range report.Gateways {
		g := m.Gateways[b.Gateway]
		g.Received += b.Received
		g.Accounted += b.Received - b.Queued
		m.Gateways[b.Gateway] = g
	}
	return k.writeMarks(k.withStore(m))
}

// withStore adds what the store has.
func (k *custody) withStore(m damage.Marks) damage.Marks {
	if !k.embedded {
		return m
	}
	m.Parts = append(m.Parts, storePart)
	m.Logs, m.Blocks = map[string]damage.LogEnd{}, map[string]damage.Block{}
	for name, e := range embedded.LogEnds(k.storeDir()) {
		m.Logs[name] = damage.LogEnd(e)
	}
	blocks, err := embedded.BlockMarks(k.storeDir())
	if err != nil {
		return m // a folder that cannot be listed is the store's own matter
	}
	for id, b := range blocks {
		m.Blocks[id] = damage.Block{From: b.From, To: b.To, Samples: b.Samples}
	}
	return m
}

// writeMarks adds the SQLite files that are there, the time, and what the start has found.
func (k *custody) writeMarks(m damage.Marks) error {
	m.At, m.Found = k.now().UTC(), nil
	if m.At.Before(k.toldBy) {
		m.Found = k.found
	}
	for _, p := range k.parts {
		if isThere(p.File) && !m.Had(p.Name) {
			m.Parts = append(m.Parts, p.Name)
		}
	}
	return m.Write(k.dir, k.sync)
}

// keepBackups makes the backups that are due until ctx ends.
func (k *custody) keepBackups(ctx context.Context) error {
	return k.every(ctx, func() {
		for _, p := range k.parts {
			if p.Backups.Due() > 0 {
				continue
			}
			made, err := p.Backups.Make(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				if sqlitefile.Damaged(err) {
					k.report(damage.FileDamaged(p.Name, []string{err.Error()}))
				}
				k.report(damage.BackupFailed(p.Name, err))
			default:
				k.log.Info("backed up", "part", p.Name, "file", made.Path, "bytes", made.Size)
				k.findings.Resolve(damage.RuleBackup, "", partDevice(p.Name))
			}
		}
	})
}

// every calls f at once and then every minute until ctx ends.
func (k *custody) every(ctx context.Context, f func()) error {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// keepChecking reads everything whole, now and then once a day, until ctx ends.
func (k *custody) keepChecking(ctx context.Context) error {
	select { // the marks that it is held against are written first
	case <-ctx.Done():
		return nil
	case <-time.After(2 * damage.MarkEvery):
	}
	var last time.Time
	return k.every(ctx, func() {
		// A clock that was set back must not end the checks.
		if since := k.now().Sub(last); since >= 0 && since < checkEvery {
			return
		}
		last = k.now()
		found, err := k.check(ctx, false, checkRate, nil)
		if ctx.Err() != nil {
			return
		}
		for _, f := range found {
			k.report(f)
		}
		if err != nil {
			k.log.Error("the daily check of the data folder could not be finished; it is tried again tomorrow", "error", err)
			return
		}
		k.log.Info("checked the data folder", "findings", len(found), "took", k.now().Sub(last).Round(time.Second))
	})
}

// check reads everything whole while it may be in use. rate bounds the reading of
// blocks, in bytes a second; 0 does not. progress hears what is being looked at, and may
// be nil.
func (k *custody) check(ctx context.Context, deep bool, rate int, progress func(what string)) (out []ingest.Finding, err error) {
	held := *k // against what was there a moment ago, not at the start
	k = &held
	if k.were, err = damage.ReadMarks(k.dir); err != nil {
		out = append(out, damage.MarksFailed(err))
	}
	tell := func(what string) {
		if progress != nil {
			progress(what)
		}
	}
	for _, p := range k.parts {
		tell(p.File)
		problems, gone, err := p.Check(ctx, deep)
		switch {
		case err != nil:
			return out, err
		case len(problems) > 0:
			out = append(out, damage.FileDamaged(p.Name, problems))
		case gone && k.were.Had(p.Name):
			out = append(out, damage.FileGone(p.Name))
		case !gone:
			k.findings.Resolve(damage.RuleFile, "", partDevice(p.Name))
		}
	}
	tell("broker, logs of the store")
	found, err := k.lookTwice(ctx)
	if out = append(out, found...); err != nil || !k.embedded || !isThere(k.storeDir()) {
		return out, err
	}
	blocks, err := embedded.CheckBlocks(ctx, k.storeDir(), paced(ctx, rate, tell))
	return append(out, blockFindings(blocks)...), err
}

// lookTwice inspects what others write to. Of what it finds only that counts which is
// there a little later too.
func (k *custody) lookTwice(ctx context.Context) ([]ingest.Finding, error) {
	found, err := k.look(ctx, false)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(lookAgain):
	}
	return k.look(ctx, false)
}

// paced holds reading up so that it takes no more than rate.
func paced(ctx context.Context, rate int, tell func(string)) func(string, int) error {
	read, block := 0, ""
	return func(id string, bytes int) error {
		if id != block {
			block = id
			tell("block " + id)
		}
		if read += bytes; rate == 0 || read < rate/10 {
			return nil
		}
		read = 0
		select {
		case <-ctx.Done():
			return fmt.Errorf("check: %w", ctx.Err())
		case <-time.After(time.Second / 10):
			return nil
		}
	}
}
