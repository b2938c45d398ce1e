package city

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/damage"
	"github.com/haidang-iot/haidang/ingest/door/session"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// backupFlags say where the hourly backups are.
type backupFlags struct {
	BackupDir    string        `help:"Folder of the hourly backups of ledger, registry and MQTT sessions; better on another disk. Default: backups in --data." placeholder:"DIR"`
	BackupBudget terminal.Size `default:"4GiB" help:"Disk that the backups of each of them may take; the oldest leave first, the two newest stay." placeholder:"4GiB"`
}

// custody keeps a data folder: what was there is compared with what is there, before
// anything is opened and once a day, and backed up once an hour.
type custody struct {
	dir, backups string
	// embedded says that the store is in the folder; retention is how long it keeps.
	embedded  bool
	retention time.Duration
	// hasBroker says that the broker is in the folder; broker is it, once it runs.
	hasBroker bool
	broker    *broker.Broker
	parts     []damage.Part
	// were are the marks that were found at the start.
	were damage.Marks
	// found is what the start has found; it is in the marks until toldBy, when it is an
	// alarm.
	found  []ingest.Finding
	toldBy time.Time
	// journalLoss is what the journal was found to have lost; nil if nothing.
	journalLoss *damage.StreamLoss
	audit       ingest.Audit
	findings    *ingest.Findings
	sync        bool
	now         func() time.Time
	log         *slog.Logger
}

const (
	brokerPart, storePart, ledgerPart, registryPart, sessionsPart = "broker", "store", "ledger", "registry", "sessions"
	// damagedDir is where damaged files are kept.
	damagedDir = "damaged"
	// backupEvery is how much of ledger, registry and sessions may be lost at most.
	backupEvery = time.Hour
	// foundKept is for how long the marks keep what the start has found: a start that is
	// killed or refuses before it is an alarm must not be the last that knows of it.
	foundKept = time.Minute
	// defaultBackupBudget is for who has no flags, as tests have not.
	defaultBackupBudget = 4 << 30
)

// newCustody makes one of a data folder.
func newCustody(dir string, f loadFlags, hasBroker bool, findings *ingest.Findings, log *slog.Logger) *custody {
	k := &custody{dir: dir, backups: cmp.Or(f.BackupDir, filepath.Join(dir, "backups")), embedded: f.Store != "influx", retention: time.Duration(f.Retention),
		hasBroker: hasBroker, findings: findings, now: time.Now, log: log}
	k.parts = append(k.parts, k.part(ledgerPart, filepath.Join(dir, ledger.FileName), f.BackupBudget, false, makeLedger))
	place := cmp.Or(f.Registry, filepath.Join(dir, registryFile))
	if !strings.Contains(place, "://") {
		k.parts = append(k.parts, k.part(registryPart, place, f.BackupBudget, true, makeRegistry))
	}
	return k
}

// newDoorCustody makes one of the data folder of a door alone.
func newDoorCustody(dir string, f backupFlags, findings *ingest.Findings, log *slog.Logger) *custody {
	k := &custody{dir: dir, backups: cmp.Or(f.BackupDir, filepath.Join(dir, "backups")), findings: findings, now: time.Now, log: log}
	k.keepSessions(f)
	return k
}

// keepSessions adds what the door remembers of its clients.
func (k *custody) keepSessions(f backupFlags) {
	k.parts = append(k.parts, k.part(sessionsPart, filepath.Join(k.dir, doorDir, session.FileName), f.BackupBudget, false, makeSessions))
}

func (k *custody) part(name, file string, budget terminal.Size, whole bool, empty func(context.Context, string) error) damage.Part {
	return damage.Part{Name: name, File: file, Whole: whole, Make: empty, Backups: &damage.Backups{
		File: file, Dir: k.backups, Name: name, Every: backupEvery, Budget: cmp.Or(int64(budget), defaultBackupBudget), Now: k.now, Log: k.log,
	}}
}

// makeLedger makes an empty ledger at a path.
func makeLedger(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), "mend-*")
	if err != nil {
		return fmt.Errorf("make an empty ledger: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := ledger.MakeEmpty(ctx, dir); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, ledger.FileName), path)
}

// makeSessions makes an empty file of sessions at a path.
func makeSessions(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), "mend-*")
	if err != nil {
		return fmt.Errorf("make empty sessions: %w", err)
	}
	defer os.RemoveAll(dir)
	s, err := session.Open(ctx, session.Options{Dir: dir})
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, session.FileName), path)
}

// makeRegistry makes an empty registry at a path.
func makeRegistry(ctx context.Context, path string) error {
	s, err := sqlstore.Open(ctx, path)
	if err != nil {
		return err
	}
	return s.Close()
}

func (k *custody) brokerDir() string { return filepath.Join(k.dir, brokerPart) }
func (k *custody) storeDir() string  { return filepath.Join(k.dir, storePart) }
func (k *custody) aside() string     { return filepath.Join(k.dir, damagedDir) }

// partDevice is how findings name a part.
func partDevice(part string) telemetry.Device { return telemetry.Device(part) }

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// begin looks at everything before it is opened, and mends what it can. Its error says
// what a city cannot begin without.
func (k *custody) begin(ctx context.Context) (err error) {
	k.toldBy = k.now().Add(foundKept)
	if err := k.recall(); err != nil {
		return err
	}
	for _, f := range k.were.Found {
		k.tell(f)
	}
	found, err := k.look(ctx, true)
	for _, f := range found {
		k.tell(f)
	}
	// From here on logs are written anew, and may become shorter.
	m := k.were
	m.Logs = nil
	if err := errors.Join(err, k.writeMarks(m)); err != nil {
		return err
	}
	for _, p := range k.parts {
		if err := k.mend(ctx, p); err != nil {
			return err
		}
	}
	return k.writeMarks(m)
}

// recall reads what the folder held. Without marks there are no backups yet either, or
// the marks are lost.
func (k *custody) recall() (err error) {
	if k.were, err = damage.ReadMarks(k.dir); err != nil {
		k.tell(damage.MarksLost("không đọc được ("+err.Error()+")", "cannot be read ("+err.Error()+")"))
		return nil
	}
	if !k.were.At.IsZero() {
		return nil
	}
	for _, p := range k.parts {
		backups, err := p.Backups.List()
		if err != nil {
			return err
		}
		if len(backups) > 0 {
			k.tell(damage.MarksLost("đã mất", "is gone"))
			return nil
		}
	}
	return nil
}

// beside is another SQLite file of the city that is there; "" if none is.
func (k *custody) beside(p damage.Part) string {
	for _, o := range k.parts {
		if o.Name != p.Name && o.Name != sessionsPart && isThere(o.File) {
			return o.Name
		}
	}
	return ""
}

// tell reports what the start has found, and has the marks keep it.
func (k *custody) tell(f ingest.Finding) {
	k.found = slices.DeleteFunc(k.found, func(o ingest.Finding) bool { return o.Rule == f.Rule && o.Device == f.Device })
	k.found = append(k.found, f)
	k.report(f)
}

func (k *custody) report(f ingest.Finding) {
	k.log.Error(f.SummaryEN, "rule", f.Rule, "what", f.DescriptionEN, "remedy", f.RunbookEN)
	k.findings.Report(f)
}

// look inspects broker and store; with mend nobody may have them open.
func (k *custody) look(ctx context.Context, mend bool) (found []ingest.Finding, err error) {
	if k.hasBroker {
		f, err := k.lookAtBroker(mend)
		if found = append(found, f...); err != nil {
			return found, err
		}
	}
	if k.embedded {
		f, err := k.lookAtStore(mend)
		if found = append(found, f...); err != nil {
			return found, err
		}
	}
	return found, ctx.Err()
}

func (k *custody) lookAtBroker(mend bool) (out []ingest.Finding, err error) {
	if !isThere(k.brokerDir()) {
		if k.were.Had(brokerPart) {
			out = append(out, damage.Gone(brokerPart, k.were))
		}
		return out, nil
	}
	i, err := broker.Inspect(k.brokerDir(), k.aside(), mend)
	if err != nil {
		return nil, err
	}
	losses := map[string]damage.StreamLoss{}
	for _, d := range i.Damage {
		l := losses[d.Stream]
		l.Stream, l.Description, l.Aside = d.Stream, cmp.Or(l.Description, d.Description), cmp.Or(l.Aside, d.Aside)
		l.Records += uint64(d.Lost)
		for _, p := range d.Pieces {
			l.Messages += journal.MessagesIn(p)
		}
		losses[d.Stream] = l
	}
	for key, was := range k.were.Streams {
		_, stream, _ := strings.Cut(key, "/")
		if last := i.Last[key]; last < was.Last {
			l := losses[stream]
			l.Stream, l.Cut, l.At = stream, true, k.were.At
			l.Records += min(was.Last-last, was.Messages)
			losses[stream] = l
		}
	}
	for _, stream := range slices.Sorted(maps.Keys(losses)) {
		l := losses[stream]
		if out = append(out, damage.StreamLost(l)); mend && stream == damage.JournalStream {
			k.journalLoss = &l
		}
	}
	return out, nil
}

func (k *custody) lookAtStore(mend bool) (out []ingest.Finding, err error) {
	if !isThere(k.storeDir()) {
		if k.were.Had(storePart) {
			out = append(out, damage.Gone(storePart, k.were))
		}
		return out, nil
	}
	were := map[string]embedded.BlockMark{}
	for id, b := range k.were.Blocks {
		were[id] = embedded.BlockMark{From: b.From, To: b.To, Samples: b.Samples}
	}
	blocks, err := embedded.AbsentBlocks(k.storeDir(), were, k.now().Add(-k.retention))
	if err != nil {
		return nil, err
	}
	if mend {
		set, err := embedded.SetAsideBlocks(k.storeDir(), k.aside(), were)
		if blocks = append(blocks, set...); err != nil {
			return nil, err
		}
	}
	out = append(out, blockFindings(blocks)...)
	ends := map[string]embedded.LogEnd{}
	for name, e := range k.were.Logs {
		ends[name] = embedded.LogEnd(e)
	}
	logs, err := embedded.InspectLogs(k.storeDir(), k.aside(), ends, mend)
	for _, d := range logs {
		en, vi := fmt.Sprintf("%d bytes in %d places are damaged", d.Bytes, d.Pieces), fmt.Sprintf("%d byte ở %d chỗ bị hỏng", d.Bytes, d.Pieces)
		if d.Cut {
			en, vi = fmt.Sprintf("%d bytes are missing at the end", d.Bytes), fmt.Sprintf("thiếu %d byte ở cuối", d.Bytes)
			d.To = k.were.At
		}
		out = append(out, damage.ReadingsLost(damage.ReadingsLoss{Where: d.Log, Samples: uint64(d.Samples), Estimated: d.Estimated, From: d.From, To: d.To, Sites: d.Sites, What: en, WhatVI: vi, Aside: d.Aside}))
	}
	return out, err
}

func blockFindings(all []embedded.BlockDamage) (out []ingest.Finding) {
	for _, d := range all {
		out = append(out, damage.ReadingsLost(damage.ReadingsLoss{Where: d.Block, Block: true, Samples: d.Samples, Estimated: d.Chunks > 0,
			From: d.From, To: d.To, Sites: d.Sites, What: d.Problem, Aside: d.Aside}))
	}
	return out
}

// mend puts an SQLite file right that is damaged or gone, or says what to do.
func (k *custody) mend(ctx context.Context, p damage.Part) error {
	problems, gone, err := p.Check(ctx, false)
	if err != nil {
		return err
	}
	if !gone && len(problems) == 0 {
		return nil
	}
	if gone && !k.were.Had(p.Name) {
		backups, err := p.Backups.List()
		if err != nil {
			return err
		}
		if len(backups) == 0 {
			// A folder of before there was a door has no sessions.
			if beside := k.beside(p); beside != "" && p.Name != sessionsPart {
				k.tell(damage.BeganEmpty(p.Name, beside))
			}
			return nil // else a new city
		}
	}
	m, err := p.Mend(ctx)
	if errors.Is(err, damage.ErrNoBackup) && p.Name == sessionsPart {
		k.tell(damage.BeganEmpty(p.Name, k.beside(p))) // commands may be lost, readings are not
		return nil
	}
	if errors.Is(err, damage.ErrNoBackup) {
		return fmt.Errorf("the %s of this city is gone and there is no backup of it in %s; nothing was begun in its place. Put the file back, or a copy of it with: haidang restore %s --data %s --from FILE. To begin without it, knowing what that means: haidang restore %s --data %s --empty (%w)",
			p.Name, k.backups, p.Name, k.dir, p.Name, k.dir, err)
	}
	if err != nil {
		return fmt.Errorf("the %s is damaged and could not be mended: %w: put a backup in its place with: haidang restore %s --data %s --from FILE", p.Name, err, p.Name, k.dir)
	}
	k.tell(damage.FileMended(m, k.now()))
	return nil
}

// opened compares the journal's own count with what it was, once it is open.
func (k *custody) opened(ctx context.Context, j *journal.Journal) error {
	state, err := j.State(ctx)
	if err != nil {
		return err
	}
	if l, n := k.journalLoss, counted(state); l != nil && l.Records > 0 && n < k.were.Counted {
		if lost := k.were.Counted - n; l.Cut {
			l.Messages += lost // of what was damaged before the cut the count still tells
		} else {
			l.Messages = max(l.Messages, lost)
		}
		k.tell(damage.StreamLost(*l))
	}
	return nil
}

// counted is how many messages a journal has ever counted.
func counted(s ingest.JournalState) (n uint64) {
	for _, position := range s.Positions {
		n += position
	}
	return n
}
