package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// conditions gather a WHERE clause and its arguments.
type conditions struct {
	postgres bool
	terms    []string
	args     []any
}

// add adds a term in which each ? stands for the next argument.
func (c *conditions) add(term string, args ...any) {
	for _, a := range args {
		c.args = append(c.args, a)
		term = strings.Replace(term, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.terms = append(c.terms, term)
}

// equal adds column = value, if there is a value.
func (c *conditions) equal(column, value string) {
	if value != "" {
		c.add(column+" = ?", value)
	}
}

// find adds that a column has each word of a query.
func (c *conditions) find(column, query string) {
	// Three times as fast as LIKE in SQLite; the one word that differs.
	position := "instr"
	if c.postgres {
		position = "strpos"
	}
	for _, w := range strings.Fields(devices.SearchKey(query)) {
		c.add(position+"("+column+", ?) > 0", w)
	}
}

// within adds that a site lies in a box.
func (c *conditions) within(prefix string, b *devices.Box) {
	if b != nil {
		c.add(prefix+"lat BETWEEN ? AND ?", b.South, b.North)
		c.add(prefix+"lon BETWEEN ? AND ?", b.West, b.East)
		c.add("(" + prefix + "lat <> 0 OR " + prefix + "lon <> 0)")
	}
}

// where is the clause; empty without terms.
func (c *conditions) where() string {
	if len(c.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.terms, " AND ")
}

// Localities implements [devices.Reader].
func (t *transaction) Localities(ctx context.Context) ([]devices.Locality, error) {
	return t.localities.all(ctx, t, "ORDER BY id")
}

// Wards implements [devices.Reader].
func (t *transaction) Wards(ctx context.Context) ([]devices.Ward, error) {
	return t.wards.all(ctx, t, "ORDER BY code")
}

// Profiles implements [devices.Reader].
func (t *transaction) Profiles(ctx context.Context) ([]devices.Profile, error) {
	return t.profiles.all(ctx, t, "ORDER BY id")
}

// Site implements [devices.Reader].
func (t *transaction) Site(ctx context.Context, id telemetry.Site) (devices.Site, error) {
	s, err := t.sites.one(ctx, t, devices.EntitySite, string(id))
	return s.Site, err
}

// Sites implements [devices.Reader].
func (t *transaction) Sites(ctx context.Context, f devices.SiteFilter) ([]devices.Site, int, error) {
	c := conditions{postgres: t.postgres}
	from, id := siteScope(f, &c)
	ids, total, err := t.find(ctx, from, id, c, f.Page)
	if err != nil || len(ids) == 0 {
		return nil, total, err
	}
	rows, err := t.sites.table.all(ctx, t.q, "WHERE id IN ("+t.marks(len(ids))+") ORDER BY id", ids...)
	out := make([]devices.Site, len(rows))
	for i := range rows {
		out[i] = rows[i].Site
	}
	return out, total, err
}

// siteScope is the tables that a filter looks at, and the sites' ids in them. The
// sites of a kind are those of its devices: going through these is a third of the
// work of looking for them at each site, unless something else leaves few sites.
//
// Where the index placed_by_site has all that is asked for, the ids come out of it
// in order. Elsewhere the id is an expression, for SQLite would go by that index to
// get them in order, and with it to and fro in the table: ten times the work of
// reading it from end to end.
func siteScope(f devices.SiteFilter, c *conditions) (from, id string) {
	c.equal("s.state", string(f.State))
	if area, ok := devices.NoiseAreaOf(f.Tag); ok { // asked for as the tag that it was
		c.equal("s.noise_area", string(area))
	} else if f.Tag != "" {
		c.add("s.tags LIKE ? ESCAPE '!'", "% "+escape(strings.ToLower(f.Tag))+" %")
	}
	c.find("s.search", f.Query)
	from, id, place := "site s", "s.id", "s."
	ofKind := "p.kinds LIKE ? ESCAPE '!'"
	words := "% " + escape(string(f.Kind)) + " %"
	switch {
	case f.Kind == "":
	case len(c.terms) > 0:
		c.add("EXISTS (SELECT 1 FROM placed p WHERE p.site = s.id AND "+ofKind+")", words)
	default:
		from, id, place = "placed p", "DISTINCT p.site", "p."
		if f.Box != nil {
			id += " || ''"
		}
		c.add("p.site <> ''")
		c.add(ofKind, words)
	}
	c.equal(place+"locality", string(f.Locality))
	c.equal(place+"ward", f.Ward)
	c.within(place, f.Box)
	return from, id
}

// find finds a page of ids, and how many there are on all pages. Conditions are
// gone through once: what they leave is counted and paged. Without any, the
// counting and the page each have their shorter way.
func (t *transaction) find(ctx context.Context, from, id string, c conditions, p devices.Page) (ids []any, total int, err error) {
	if err := t.flush(ctx); err != nil {
		return nil, 0, err
	}
	limit := " ORDER BY id LIMIT " + strconv.Itoa(p.Size())
	after, args := "", c.args
	if p.After != "" {
		args = append(args, p.After)
		after = " WHERE id > $" + strconv.Itoa(len(args))
	}
	query := "WITH hit AS MATERIALIZED (SELECT " + id + " AS id FROM " + from + c.where() + ") " +
		"SELECT n.total, page.id FROM (SELECT COUNT(*) AS total FROM hit) AS n LEFT JOIN (SELECT id FROM hit" + after + limit + ") AS page ON TRUE ORDER BY page.id"
	if len(c.terms) == 0 {
		if total, err = t.count(ctx, from, c); err != nil || total == 0 {
			return nil, total, err
		}
		query = "SELECT " + strconv.Itoa(total) + ", page.id FROM (SELECT " + id + " AS id FROM " + from + ") AS page" + after + limit
	}
	err = each(ctx, t.q, query, args, func(scan func(...any) error) error {
		var one string
		if err := scan(&total, textOf(&one)); err != nil {
			return err
		}
		if one != "" {
			ids = append(ids, one)
		}
		return nil
	})
	return ids, total, err
}

func (t *transaction) count(ctx context.Context, from string, c conditions) (n int, err error) {
	if err := t.q.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+from+c.where(), c.args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", from, err)
	}
	return n, nil
}

// Device implements [devices.Reader].
func (t *transaction) Device(ctx context.Context, id telemetry.Device) (devices.Device, error) {
	d, err := t.devices.one(ctx, t, devices.EntityDevice, string(id))
	return d.Device, err
}

// Devices implements [devices.Reader].
func (t *transaction) Devices(ctx context.Context, f devices.DeviceFilter) ([]devices.Placed, int, error) {
	c := conditions{postgres: t.postgres}
	ids, total, err := t.find(ctx, deviceScope(f, &c), "p.device", c, f.Page)
	if err != nil || len(ids) == 0 {
		return nil, total, err
	}
	ds, ss, is := t.devices.table, t.sites.table, t.installations.table
	query := "SELECT " + ds.list("d.") + ", p.site, " + coalesced(is, "i.") + ", " + coalesced(ss, "s.") +
		" FROM device d JOIN placed p ON p.device = d.id LEFT JOIN installation i ON i.id = p.installation LEFT JOIN site s ON s.id = p.site" +
		" WHERE d.id IN (" + t.marks(len(ids)) + ") ORDER BY d.id"
	var out []devices.Placed
	err = each(ctx, t.q, query, ids, func(scan func(...any) error) error {
		var d deviceRow
		var s siteRow
		var i devices.Installation
		var site string
		if err := scan(append(append(append(ds.fields(&d), &site), is.fields(&i)...), ss.fields(&s)...)...); err != nil {
			return err
		}
		p := devices.Placed{Device: d.Device}
		if site != "" {
			p.Installation, p.Site = &i, &s.Site
		}
		out = append(out, p)
		return nil
	})
	return out, total, err
}

// coalesced is the columns of a table that may have no row for a device: nothing
// but texts and times can be scanned from NULL, so zeros stand in.
func coalesced[T any](t table[T], prefix string) string {
	zero := map[string]string{"id": "''", "redundant": "FALSE", "provisional": "FALSE", "former": "'[]'"}
	for _, c := range strings.Fields("cadence version lat lon accuracy mount_height") {
		zero[c] = "0"
	}
	if t.name == "installation" {
		zero["id"] = "0"
	}
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = prefix + c
		switch z, ok := zero[c]; {
		case ok:
			out[i] = "COALESCE(" + prefix + c + ", " + z + ")"
		case c == "begins" || c == "ends" || c == "updated" || c == "ward":
		default:
			out[i] = "COALESCE(" + prefix + c + ", '')"
		}
	}
	return strings.Join(out, ", ")
}

// deviceScope is the tables that a filter looks at.
func deviceScope(f devices.DeviceFilter, c *conditions) (from string) {
	from = "placed p"
	c.equal("d.profile", f.Profile)
	c.equal("d.serial", f.Serial)
	c.equal("d.gateway", f.Gateway)
	if f.Provisional != nil {
		c.add("d.provisional = ?", *f.Provisional)
	}
	if f.Simulated != nil {
		c.add("d.simulated = ?", *f.Simulated)
	}
	if len(c.terms) > 0 {
		from = "device d JOIN placed p ON p.device = d.id"
	}
	c.equal("p.site", string(f.Site))
	c.equal("p.locality", string(f.Locality))
	c.equal("p.ward", f.Ward)
	c.equal("p.state", string(f.State))
	if f.Kind != "" {
		c.add("p.kinds LIKE ? ESCAPE '!'", "% "+escape(string(f.Kind))+" %")
	}
	c.within("p.", f.Box)
	c.find("p.search", f.Query)
	return from
}

// escape keeps the wildcards of LIKE from being some.
func escape(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}

// Installation implements [devices.Reader].
func (t *transaction) Installation(ctx context.Context, id int64) (devices.Installation, error) {
	return t.installations.one(ctx, t, devices.EntityInstallation, id)
}

// Installations implements [devices.Reader].
func (t *transaction) Installations(ctx context.Context, f devices.InstallationFilter) (out []devices.Installation, err error) {
	switch {
	case f.Device != "":
		out, err = t.installations.grouped(ctx, t, t.byDevice, string(f.Device))
	case f.Site != "":
		out, err = t.installations.grouped(ctx, t, t.bySite, string(f.Site))
	default:
		if err := t.flush(ctx); err != nil {
			return nil, err
		}
		out, err = t.installations.table.all(ctx, t.q, "")
	}
	out = slices.DeleteFunc(out, func(i devices.Installation) bool {
		return f.Site != "" && i.Site != f.Site || f.Open && !i.To.IsZero()
	})
	slices.SortFunc(out, func(a, b devices.Installation) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.ID, b.ID)) })
	return out, err
}

// Changes implements [devices.Reader].
func (t *transaction) Changes(ctx context.Context, f devices.ChangeFilter) ([]devices.Change, error) {
	c := conditions{postgres: t.postgres}
	c.equal("entity", string(f.Entity))
	c.equal("id", f.ID)
	c.equal("site", string(f.Site))
	c.equal("device", string(f.Device))
	c.equal("who", f.Who)
	if f.After > 0 {
		c.add("seq > ?", f.After)
	}
	if f.Before > 0 {
		c.add("seq < ?", f.Before)
	}
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	size := devices.Page{Limit: f.Limit}.Size()
	return changes().all(ctx, t.q, c.where()+" ORDER BY seq DESC LIMIT "+strconv.Itoa(size), c.args...)
}

// LastChange implements [devices.Reader].
func (t *transaction) LastChange(ctx context.Context) (int64, error) {
	if !t.changes.known {
		n, err := t.greatest(ctx, "change", "seq")
		if err != nil {
			return 0, err
		}
		t.changes.known, t.changes.last, t.changes.stored = true, n, n
	}
	return t.changes.last, nil
}

// Standings implements [devices.Reader].
func (t *transaction) Standings(ctx context.Context, ids []telemetry.Device, f func(devices.Standing) error) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	if len(ids) == 0 {
		return t.standings(ctx, "", nil, f)
	}
	for some := range slices.Chunk(ids, many) {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = string(id)
		}
		if err := t.standings(ctx, "WHERE d.id IN ("+t.marks(len(some))+")", args, f); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) standings(ctx context.Context, where string, args []any, f func(devices.Standing) error) error {
	is := t.installations.table
	query := "SELECT d.id, d.kinds, d.state, d.provisional, d.gateway, d.home, COALESCE(s.locality, ''), " + coalesced(is, "i.") +
		" FROM device d LEFT JOIN installation i ON i.device = d.id LEFT JOIN site s ON s.id = i.site " + where + " ORDER BY d.id, i.begins, i.id"
	var now devices.Standing
	err := each(ctx, t.q, query, args, func(scan func(...any) error) error {
		var d devices.Standing
		var p devices.Placing
		fields := append([]any{textOf(&d.Device), wordsOf(&d.Kinds), textOf(&d.State), &d.Provisional, &d.Gateway, wordsOf(&d.Home), textOf(&p.Locality)},
			is.fields(&p.Installation)...)
		if err := scan(fields...); err != nil {
			return err
		}
		if d.Device != now.Device {
			if now.Device != "" {
				if err := f(now); err != nil {
					return err
				}
			}
			now = d
		}
		if p.ID != 0 {
			now.Installations = append(now.Installations, p)
		}
		return nil
	})
	if err != nil || now.Device == "" {
		return err
	}
	return f(now)
}

// Heard implements [devices.Reader].
func (t *transaction) Heard(ctx context.Context, f devices.HeardFilter) ([]devices.Heard, int, error) {
	if f.Device != "" && f.Locality == "" && f.Query == "" && f.Offset <= 0 {
		e, err := t.heard.get(ctx, t, string(f.Device))
		if err != nil || e.now == nil {
			return nil, 0, err
		}
		return []devices.Heard{e.now.Heard}, 1, nil
	}
	if err := t.flush(ctx); err != nil {
		return nil, 0, err
	}
	c := conditions{postgres: t.postgres}
	c.equal("locality", string(f.Locality))
	c.equal("device", string(f.Device))
	c.find("search", f.Query)
	total, err := t.count(ctx, "heard", c)
	if err != nil || total == 0 {
		return nil, total, err
	}
	size := devices.Page{Limit: f.Limit}.Size()
	rows, err := t.heard.table.all(ctx, t.q, c.where()+" ORDER BY last_at DESC, device LIMIT "+strconv.Itoa(size)+
		" OFFSET "+strconv.Itoa(max(f.Offset, 0)), c.args...)
	out := make([]devices.Heard, len(rows))
	for i := range rows {
		out[i] = rows[i].Heard
	}
	return out, total, err
}

// Request implements [devices.Reader].
func (t *transaction) Request(ctx context.Context, id string) (devices.Request, error) {
	r, err := t.requests.one(ctx, t, devices.EntityRequest, id)
	r.Answer = []byte(r.answer)
	return r.Request, err
}

// Photo implements [devices.Reader].
func (t *transaction) Photo(ctx context.Context, id int64) (devices.Photo, error) {
	p, err := t.photos.one(ctx, t, devices.EntityPhoto, id)
	if err == nil && !p.Removed.IsZero() {
		err = devices.Missing(devices.EntityPhoto, strconv.FormatInt(id, 10))
	}
	return p, err
}

// Picture implements [devices.Reader].
func (t *transaction) Picture(ctx context.Context, photo int64) ([]byte, error) {
	p, err := t.pictures.one(ctx, t, devices.EntityPhoto, photo)
	return p.data, err
}

// Photos implements [devices.Reader].
func (t *transaction) Photos(ctx context.Context, f devices.PhotoFilter) ([]devices.Photo, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	c := conditions{terms: []string{"removed IS NULL"}}
	if f.Installation != 0 {
		c.add("installation = ?", f.Installation)
	}
	if f.Site != "" {
		c.add("installation IN (SELECT id FROM installation WHERE site = ?)", string(f.Site))
	}
	return t.photos.table.all(ctx, t.q, c.where()+" ORDER BY id DESC LIMIT "+strconv.Itoa(devices.Page{Limit: f.Limit}.Size()), c.args...)
}

// DevicesBySerial implements [devices.Reader].
func (t *transaction) DevicesBySerial(ctx context.Context, serial string) ([]devices.Device, error) {
	rows, err := t.devices.grouped(ctx, t, t.bySerial, serial)
	out := make([]devices.Device, len(rows))
	for i := range rows {
		out[i] = rows[i].Device
	}
	slices.SortFunc(out, func(a, b devices.Device) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, err
}
