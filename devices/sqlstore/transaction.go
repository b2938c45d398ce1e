package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// transaction implements [devices.Reader] and [devices.Tx]. What it keeps in
// memory is explained in working.go.
type transaction struct {
	q        querier
	postgres bool
	prepared map[string]*sql.Stmt

	localities    *kept[string, devices.Locality]
	wards         *kept[string, devices.Ward]
	profiles      *kept[string, devices.Profile]
	sites         *kept[string, siteRow]
	devices       *kept[string, deviceRow]
	bySerial      *group[string, deviceRow]
	installations *kept[int64, devices.Installation]
	byDevice      *group[int64, devices.Installation]
	bySite        *group[int64, devices.Installation]
	photos        *kept[int64, devices.Photo]
	pictures      *kept[int64, pictureRow]
	limits        *kept[int64, limitRow]
	limitsBySite  *group[int64, limitRow]
	requests      *kept[string, requestRow]
	heard         *kept[string, heardRow]

	changes journal
	last    map[string]int64 // the greatest number given in a table
	// moved are the devices and sites of which what [placed] says may have changed.
	moved struct{ devices, sites map[string]bool }

	depth int // of nested operations
	undo  []func()
}

// journal is the end of the journal of changes.
type journal struct {
	known        bool
	last, stored int64 // the newest change, and the newest in the table
	pending      []devices.Change
}

func newTransaction(q querier, postgres bool) *transaction {
	t := &transaction{q: q, postgres: postgres, prepared: map[string]*sql.Stmt{}, last: map[string]int64{},
		localities: keep(localities(), func(l *devices.Locality) string { return string(l.ID) }),
		wards:      keep(wards(), func(w *devices.Ward) string { return w.Code }),
		profiles:   keep(profiles(), func(p *devices.Profile) string { return p.ID }),
		sites:      keep(sites(), func(s *siteRow) string { return string(s.ID) }),
		bySerial:   by[string]("serial", func(d *deviceRow) string { return d.Serial }),
		byDevice:   by[int64]("device", func(i *devices.Installation) string { return string(i.Device) }),
		bySite:     by[int64]("site", func(i *devices.Installation) string { return string(i.Site) }),
		photos:     keep(photos(), func(p *devices.Photo) int64 { return p.ID }),
		pictures:   keep(pictures(), func(p *pictureRow) int64 { return p.photo }),
		requests:   keep(requests(), func(r *requestRow) string { return r.ID }),
		heard:      keep(heards(), func(h *heardRow) string { return string(h.Device) })}
	t.limitsBySite = by[int64]("site", func(l *limitRow) string { return string(l.Site) })
	t.limits = keep(limitRows(), func(l *limitRow) int64 { return l.ID }, t.limitsBySite)
	t.devices = keep(deviceRows(), func(d *deviceRow) string { return string(d.ID) }, t.bySerial)
	t.installations = keep(installations(), func(i *devices.Installation) int64 { return i.ID }, t.byDevice, t.bySite)
	t.moved.devices, t.moved.sites = map[string]bool{}, map[string]bool{}
	return t
}

// Nested implements [devices.Tx].
func (t *transaction) Nested(ctx context.Context, f func() error) error {
	mark := len(t.undo)
	t.depth++
	err := f()
	t.depth--
	if err != nil {
		undo := t.undo[mark:]
		t.undo = t.undo[:mark]
		for _, u := range slices.Backward(undo) {
			u()
		}
	}
	if t.depth > 0 {
		return err
	}
	clear(t.undo)
	t.undo = t.undo[:0]
	if err == nil && len(t.changes.pending) >= forgetAfter {
		return t.forget(ctx)
	}
	return err
}

// marks are the parameters of a statement that has no others.
func (t *transaction) marks(n int) string { return marks(0, n, t.postgres) }

// move has it looked again where a device stands, also if what is done to it is
// undone.
func (t *transaction) move(id string) {
	t.moved.devices[id] = true
	t.undoable(func() { t.moved.devices[id] = true })
}

// moveSite is move for the devices at a site.
func (t *transaction) moveSite(id string) {
	t.moved.sites[id] = true
	t.undoable(func() { t.moved.sites[id] = true })
}

// undoable has something undone if the operation that it is part of fails.
func (t *transaction) undoable(undo func()) {
	if t.depth > 0 {
		t.undo = append(t.undo, undo)
	}
}

// flush writes what was changed. Deletions come first, of what refers to others
// before those.
func (t *transaction) flush(ctx context.Context) error {
	if _, gone := t.devices.changed(); len(gone) > 0 {
		if err := t.delete(ctx, "placed", "device", gone); err != nil {
			return err
		}
	}
	if t.changes.stored > t.changes.last { // of an operation that was undone
		if _, err := t.q.ExecContext(ctx, "DELETE FROM change WHERE seq > $1", t.changes.last); err != nil {
			return fmt.Errorf("take changes back: %w", err)
		}
		t.changes.stored = t.changes.last
	}
	removals := []func(context.Context, *transaction) error{t.heard.remove, t.requests.remove, t.limits.remove, t.pictures.remove, t.photos.remove,
		t.installations.remove, t.devices.remove, t.sites.remove, t.profiles.remove, t.localities.remove, t.wards.remove}
	for _, remove := range removals {
		if err := remove(ctx, t); err != nil {
			return err
		}
	}
	return t.write(ctx)
}

// write writes what is new or was changed, what others refer to before those.
func (t *transaction) write(ctx context.Context) error {
	steps := []func() error{
		func() error { return t.wards.write(ctx, t, nil) },
		func() error { return t.localities.write(ctx, t, nil) },
		func() error { return t.profiles.write(ctx, t, nil) },
		func() error { return t.sites.write(ctx, t, nil) },
		func() error { return t.devices.write(ctx, t, nil) },
		func() error { return t.installations.write(ctx, t, endedFirst) },
		func() error { return t.limits.write(ctx, t, nil) },
		func() error { return t.photos.write(ctx, t, nil) },
		func() error { return t.pictures.write(ctx, t, nil) },
		func() error { return t.requests.write(ctx, t, nil) },
		func() error { return t.heard.write(ctx, t, nil) },
		func() error { return t.place(ctx) },
		func() error { return upsert(ctx, changes(), t, t.changes.pending...) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	t.changes.pending, t.changes.stored = nil, t.changes.last
	return nil
}

// endedFirst has the end of an installation written before another of the same
// device begins: the table has one open at most.
func endedFirst(a, b devices.Installation) int {
	open := func(i devices.Installation) int {
		if i.To.IsZero() {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(open(a), open(b)), cmp.Compare(a.ID, b.ID))
}

// forget writes what was changed and lets go of all that was read.
func (t *transaction) forget(ctx context.Context) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	for _, forget := range []func(){t.localities.forget, t.wards.forget, t.profiles.forget, t.sites.forget, t.devices.forget,
		t.installations.forget, t.limits.forget, t.photos.forget, t.pictures.forget, t.requests.forget, t.heard.forget} {
		forget()
	}
	return nil
}

// Expect implements [devices.Tx].
func (t *transaction) Expect(ctx context.Context, e devices.Expected) error {
	if t.depth == 0 {
		if err := t.forget(ctx); err != nil {
			return err
		}
	}
	ids, at, serials := textsOf(e.Devices), textsOf(e.Sites), slices.DeleteFunc(slices.Clone(e.Serials), func(s string) bool { return s == "" })
	steps := []func() error{
		func() error { return t.devices.load(ctx, t, ids) },
		func() error { return t.devices.loadGroup(ctx, t, t.bySerial, serials) },
		func() error { return t.sites.load(ctx, t, at) },
		func() error { return t.installations.loadGroup(ctx, t, t.byDevice, ids) },
		func() error { return t.installations.loadGroup(ctx, t, t.bySite, at) },
		func() error { return t.limits.loadGroup(ctx, t, t.limitsBySite, at) },
		func() error { return t.heard.load(ctx, t, ids) },
		func() error { return t.requests.load(ctx, t, e.Requests) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func textsOf[T ~string](ids []T) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}

// next gives the next number of a table, from 1.
func (t *transaction) next(ctx context.Context, table, column string) (int64, error) {
	n, known := t.last[table]
	if !known {
		var err error
		if n, err = t.greatest(ctx, table, column); err != nil {
			return 0, err
		}
	}
	t.last[table] = n + 1
	t.undoable(func() { t.last[table] = n })
	return n + 1, nil
}

// greatest is the greatest number in a column; 0 in an empty table.
func (t *transaction) greatest(ctx context.Context, table, column string) (n int64, err error) {
	if err := t.q.QueryRowContext(ctx, "SELECT COALESCE(MAX("+column+"), 0) FROM "+table).Scan(&n); err != nil {
		return 0, fmt.Errorf("read last %s: %w", table, err)
	}
	return n, nil
}

// place writes down anew where the moved devices stand and what is searched of
// them.
func (t *transaction) place(ctx context.Context) error {
	ids := make([]any, 0, len(t.moved.devices))
	for id := range t.moved.devices {
		if e := t.devices.rows[id]; e == nil || e.now != nil {
			ids = append(ids, id)
		}
	}
	sites := make([]any, 0, len(t.moved.sites))
	for id := range t.moved.sites {
		sites = append(sites, id)
	}
	for some := range slices.Chunk(sites, many) {
		err := each(ctx, t.q, "SELECT device FROM placed WHERE site IN ("+t.marks(len(some))+")", some, func(scan func(...any) error) error {
			var d string
			err := scan(&d)
			if !t.moved.devices[d] {
				ids = append(ids, d)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for some := range slices.Chunk(ids, bulk) {
		err := t.exec(ctx, len(some) == bulk, `INSERT INTO placed (device, site, installation, locality, ward, lat, lon, kinds, state, search)
		SELECT d.id, COALESCE(i.site, ''), COALESCE(i.id, 0), COALESCE(s.locality, ''), COALESCE(s.ward, ''), COALESCE(s.lat, 0), COALESCE(s.lon, 0),
			d.kinds, d.state, d.search || ' ' || COALESCE(s.search, '')
		FROM device d LEFT JOIN installation i ON i.device = d.id AND i.ends IS NULL LEFT JOIN site s ON s.id = i.site WHERE d.id IN (`+t.marks(len(some))+`)
		ON CONFLICT (device) DO UPDATE SET site = excluded.site, installation = excluded.installation, locality = excluded.locality,
			ward = excluded.ward, lat = excluded.lat, lon = excluded.lon, kinds = excluded.kinds, state = excluded.state, search = excluded.search`, some...)
		if err != nil {
			return fmt.Errorf("write where devices stand: %w", err)
		}
	}
	clear(t.moved.devices)
	clear(t.moved.sites)
	return nil
}

// trimHeard keeps the newest heard devices up to a number.
func (t *transaction) trimHeard(ctx context.Context, keep int) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	t.heard.forget()
	_, err := t.q.ExecContext(ctx, "DELETE FROM heard WHERE device IN (SELECT device FROM heard ORDER BY last_at DESC, device LIMIT 1000000 OFFSET "+strconv.Itoa(keep)+")")
	if err != nil {
		return fmt.Errorf("forget oldest heard: %w", err)
	}
	return nil
}

// ForgetHeard implements [devices.Tx].
func (t *transaction) ForgetHeard(ctx context.Context, d telemetry.Device) error {
	e, err := t.heard.get(ctx, t, string(d))
	if err == nil && e.now != nil {
		t.heard.set(t, string(d), e, nil)
	}
	return err
}
