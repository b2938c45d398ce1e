package devices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// OutOfLocality as a [WardRow]'s locality takes the ward out of the one that it is in.
const OutOfLocality telemetry.Locality = "none"

// WardRow is what a resolution says of a ward: that it is there from a day, that it
// ends and what follows it, that a locality has it. What is zero stays as it is.
type WardRow struct {
	Code               string
	NameVI, NameEN     string
	Form               WardForm // made of the name if empty: "Phường …", "Xã …", "Đặc khu …"
	Former             []string
	Box                Box
	AreaKM2            float64
	ValidFrom, ValidTo time.Time
	Successors         []string
	Locality           telemetry.Locality
	LocalityFrom       time.Time // a new ward's beginning if zero; needed to move an old one
}

// WardOutcome is what became of a row.
type WardOutcome string

// The outcomes. A ward whose end was said is Ended, whatever else was changed.
const (
	WardAdded     WardOutcome = "added"
	WardUpdated   WardOutcome = "updated"
	WardEnded     WardOutcome = "ended"
	WardUnchanged WardOutcome = "unchanged"
)

// WardChange is a ward after its row, and the sites in use that still name it
// though it ends: they keep the code until somebody moves them.
type WardChange struct {
	Ward    Ward
	Outcome WardOutcome
	ToMove  []Site
}

// ImportWards applies rows in their order, all or none. A successor takes the ended
// ward's place in its localities from that day, unless it is in one already. Errors
// name the row: wards[2].validFrom.
func (b *Batch) ImportWards(ctx context.Context, rows []WardRow) (out []WardChange, err error) {
	err = b.do(ctx, func() error {
		var errs Errors
		for i, row := range rows {
			change, err := b.importWard(ctx, row)
			if err := errs.ofRow(i, err); err != nil {
				return err
			}
			out = append(out, change)
		}
		if len(errs) > 0 {
			return errs.err()
		}
		// Asked when all are there: a successor may stand below the ward that ends.
		for i := range out {
			if err := errs.ofRow(i, b.succeed(ctx, out[i].Ward)); err != nil {
				return err
			}
			if !out[i].Ward.ValidTo.IsZero() {
				if out[i].ToMove, err = b.sitesIn(ctx, out[i].Ward.Code); err != nil {
					return err
				}
			}
		}
		return errs.err()
	})
	return out, err
}

// ofRow gathers what is wrong with a row; what is no fault of the row comes back.
func (e *Errors) ofRow(i int, err error) error {
	if CodeOf(err) == Internal {
		return err
	}
	for _, d := range Details(err) {
		named := *d
		named.Field = fmt.Sprintf("wards[%d].%s", i, d.Field)
		e.add(&named)
	}
	return nil
}

func (b *Batch) importWard(ctx context.Context, row WardRow) (c WardChange, err error) {
	old, known, err := b.ward(ctx, strings.TrimSpace(row.Code))
	if err != nil {
		return c, err
	}
	w := row.over(old)
	switch {
	case !known && row.ValidFrom.IsZero():
		return c, invalid("validFrom", ReasonRequired)
	case !known:
		c.Outcome = WardAdded
	case w.same(old):
		c.Outcome = WardUnchanged
	case !w.ValidTo.IsZero() && !w.ValidTo.Equal(old.ValidTo):
		c.Outcome = WardEnded
	default:
		c.Outcome = WardUpdated
	}
	if c.Ward = w; c.Outcome != WardUnchanged {
		if c.Ward, err = b.PutWard(ctx, w); err != nil {
			return c, err
		}
	}
	if row.Locality == "" {
		return c, nil
	}
	moved, err := b.placeWard(ctx, c.Ward, row.Locality, row.LocalityFrom)
	if moved && c.Outcome == WardUnchanged {
		c.Outcome = WardUpdated
	}
	return c, err
}

// over is the ward as it was, with what the row says of it.
func (r WardRow) over(w Ward) Ward {
	w.Code = strings.TrimSpace(r.Code)
	if r.NameVI != "" {
		w.NameVI, w.Form = lineOf(r.NameVI), formOfName(r.NameVI)
	}
	if r.Form != "" {
		w.Form = r.Form
	}
	if r.NameEN != "" {
		w.NameEN = lineOf(r.NameEN)
	}
	if len(r.Former) > 0 {
		w.Former = r.Former
	}
	if r.Box != (Box{}) {
		w.Box = r.Box
	}
	if r.AreaKM2 != 0 {
		w.AreaKM2 = r.AreaKM2
	}
	if !r.ValidFrom.IsZero() {
		w.ValidFrom = stamp(r.ValidFrom)
	}
	if !r.ValidTo.IsZero() {
		w.ValidTo = stamp(r.ValidTo)
	}
	if len(r.Successors) > 0 {
		w.Successors = r.Successors
	}
	return w
}

// formOfName is what a ward is called in law, as its name begins.
func formOfName(name string) WardForm {
	key := SearchKey(name)
	switch {
	case strings.HasPrefix(key, "phuong "):
		return Phuong
	case strings.HasPrefix(key, "xa "):
		return Xa
	case strings.HasPrefix(key, "dac khu "):
		return DacKhu
	}
	return ""
}

func (w Ward) same(o Ward) bool {
	return w.NameVI == o.NameVI && w.NameEN == o.NameEN && w.Form == o.Form && w.Box == o.Box && w.AreaKM2 == o.AreaKM2 &&
		w.ValidFrom.Equal(o.ValidFrom) && w.ValidTo.Equal(o.ValidTo) && slices.Equal(w.Former, o.Former) && slices.Equal(w.Successors, o.Successors)
}

// placeWard puts a ward into a locality from a moment, and out of the one it was in.
func (b *Batch) placeWard(ctx context.Context, w Ward, into telemetry.Locality, from time.Time) (moved bool, err error) {
	if _, ok, err := b.locality(ctx, into); err != nil || !ok && into != OutOfLocality {
		return false, orMissing(err, invalid("locality", ReasonUnknownLocality, clip(string(into), 64)))
	}
	all, err := b.tx.Localities(ctx)
	if err != nil {
		return false, err
	}
	open := func(m Membership) bool { return m.Ward == w.Code && m.To.IsZero() }
	n := slices.IndexFunc(all, func(l Locality) bool { return slices.ContainsFunc(l.Wards, open) })
	switch {
	case n >= 0 && all[n].ID == into, n < 0 && into == OutOfLocality:
		return false, nil
	case n >= 0 && from.IsZero():
		return false, invalid("localityFrom", ReasonRequired)
	case n >= 0:
		all[n].endMembership(w.Code, stamp(from))
		if _, err := b.PutLocality(ctx, all[n]); err != nil {
			return false, err
		}
	case from.IsZero():
		from = w.ValidFrom
	}
	if into == OutOfLocality {
		return true, nil
	}
	return true, b.join(ctx, into, w, from)
}

// join adds a ward to a locality from a moment.
func (b *Batch) join(ctx context.Context, id telemetry.Locality, w Ward, from time.Time) error {
	l, _, err := b.locality(ctx, id)
	if err != nil {
		return err
	}
	l.Wards = append(slices.Clone(l.Wards), Membership{Ward: w.Code, From: stamp(from), To: w.ValidTo})
	l.Box = l.Box.with(w.Box)
	_, err = b.PutLocality(ctx, l)
	return err
}

// endMembership ends what a ward has of the locality at a moment.
func (l *Locality) endMembership(ward string, at time.Time) (ended bool) {
	l.Wards = slices.Clone(l.Wards)
	for i, m := range l.Wards {
		if m.Ward == ward && (m.To.IsZero() || m.To.After(at)) {
			l.Wards[i].To, ended = at, true
		}
	}
	return ended
}

// succeed ends an ended ward's memberships and gives its successors its place.
func (b *Batch) succeed(ctx context.Context, w Ward) error {
	for _, code := range w.Successors {
		next, ok, err := b.ward(ctx, code)
		if err != nil || !ok || code == w.Code {
			return orMissing(err, invalid("successors", ReasonUnknownWard, clip(code, 64)))
		}
		if !w.ValidTo.IsZero() && !next.InForce(w.ValidTo) {
			return invalid("successors", ReasonWardEnded, code)
		}
	}
	if w.ValidTo.IsZero() {
		return nil
	}
	all, err := b.tx.Localities(ctx)
	if err != nil {
		return err
	}
	for _, l := range all {
		if !l.endMembership(w.Code, w.ValidTo) {
			continue
		}
		if _, err := b.PutLocality(ctx, l); err != nil {
			return err
		}
		for _, code := range w.Successors {
			if err := b.joinUnplaced(ctx, l.ID, code, w.ValidTo); err != nil {
				return err
			}
		}
	}
	return nil
}

// joinUnplaced adds a ward to a locality from a moment, if none has it then.
func (b *Batch) joinUnplaced(ctx context.Context, id telemetry.Locality, code string, from time.Time) error {
	all, err := b.tx.Localities(ctx)
	if err != nil {
		return err
	}
	has := func(m Membership) bool { return m.Ward == code && (m.To.IsZero() || m.To.After(from)) }
	if slices.ContainsFunc(all, func(l Locality) bool { return slices.ContainsFunc(l.Wards, has) }) {
		return nil
	}
	w, _, err := b.ward(ctx, code)
	if err != nil {
		return err
	}
	return b.join(ctx, id, w, from)
}

// sitesIn lists the sites in use in a ward.
func (b *Batch) sitesIn(ctx context.Context, ward string) (out []Site, err error) {
	f := SiteFilter{Ward: ward, Page: Page{Limit: MaxPage}}
	for {
		page, _, err := b.tx.Sites(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, s := range page {
			if s.State != Retired {
				out = append(out, s)
			}
		}
		if len(page) < MaxPage {
			return out, nil
		}
		f.After = string(page[len(page)-1].ID)
	}
}

// ImportWards is [Batch.ImportWards] by itself. A dry run says what would become of
// the rows and changes nothing.
func (r *Registry) ImportWards(ctx context.Context, by By, rows []WardRow, dry bool) (out []WardChange, err error) {
	tried := errors.New("dry run")
	err = r.Batch(ctx, by, func(b *Batch) (err error) {
		if out, err = b.ImportWards(ctx, rows); err == nil && dry {
			return tried
		}
		return err
	})
	if errors.Is(err, tried) {
		return out, nil
	}
	return out, err
}
