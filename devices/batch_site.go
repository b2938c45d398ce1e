package devices

import (
	"context"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// CreateSite adds a site and returns it as it is kept. Its state is Planned
// unless it says Active. Errors: Invalid (all that is wrong with it), Conflict of
// ReasonDuplicateID with the site that has the id.
func (b *Batch) CreateSite(ctx context.Context, s Site) (Site, error) {
	err := b.do(ctx, func() error {
		if err := b.checkSite(ctx, &s, ""); err != nil {
			return err
		}
		if old, err := b.tx.Site(ctx, s.ID); err == nil {
			return conflict("id", ReasonDuplicateID, old, string(s.ID))
		} else if CodeOf(err) != NotFound {
			return err
		}
		s.Version, s.Updated = 1, b.now
		return b.putSite(ctx, Created, nil, s)
	})
	return s, err
}

// FreeSiteID is an id that was made of a name, with a number behind it if another
// site has it: cho-dam, cho-dam-2, cho-dam-3.
func (b *Batch) FreeSiteID(ctx context.Context, id telemetry.Site) (telemetry.Site, error) {
	for n := 1; ; n++ {
		free := id
		if n > 1 {
			free = telemetry.Site(fmt.Sprintf("%s-%d", id, n))
		}
		switch _, err := b.tx.Site(ctx, free); {
		case CodeOf(err) == NotFound:
			return free, nil
		case err != nil:
			return id, wrapped("look for a free id", err)
		}
	}
}

// UpdateSite replaces a site by what is given, which carries the version that was
// seen. Its state changes by RetireSite, ReopenSite and installations only.
// Errors: Invalid, NotFound, Conflict of ReasonStale with the site as it is.
func (b *Batch) UpdateSite(ctx context.Context, s Site) (Site, error) {
	err := b.do(ctx, func() error {
		old, err := b.tx.Site(ctx, s.ID)
		if err != nil {
			return err
		}
		if s.State == "" {
			s.State = old.State
		}
		version, stale := next(s.Version, old.Version, old)
		if stale != nil {
			return stale
		}
		if s.State != old.State {
			return invalid("state", ReasonUseOperation)
		}
		if err := b.checkSite(ctx, &s, old.Ward); err != nil {
			return err
		}
		if s.Locality != old.Locality {
			here, err := b.tx.Installations(ctx, InstallationFilter{Site: s.ID, Open: true})
			if err != nil {
				return err
			}
			if len(here) > 0 {
				return conflict("locality", ReasonLocalityMismatch, here[0], string(s.ID))
			}
			past, err := placedAt(ctx, b.tx, s.ID)
			if err != nil {
				return err
			}
			b.touched = append(b.touched, past...)
		}
		s.Version, s.Updated = version, b.now
		return b.putSite(ctx, Updated, old, s)
	})
	return s, err
}

// checkSite normalises a site and says all that is wrong with it. A ward that has
// ended is refused unless the site was in it before.
func (b *Batch) checkSite(ctx context.Context, s *Site, before string) error {
	var errs Errors
	if err := s.Validate(b.r.Province); err != nil {
		errs = Details(err)
	}
	s.normalize()
	if s.Locality != "" {
		_, ok, err := b.locality(ctx, s.Locality)
		if err != nil {
			return err
		}
		if !ok {
			errs.add(invalid("locality", ReasonUnknownLocality, clip(string(s.Locality), 64)))
		}
	}
	if s.Ward != "" {
		w, ok, err := b.ward(ctx, s.Ward)
		switch {
		case err != nil:
			return err
		case !ok:
			errs.add(invalid("ward", ReasonUnknownWard, clip(s.Ward, 64)))
		case !w.InForce(b.now) && s.State != Retired && s.Ward != before:
			errs.add(invalid("ward", ReasonWardEnded, s.Ward))
		}
	}
	return errs.err()
}

func (b *Batch) putSite(ctx context.Context, action Action, before any, s Site) error {
	if err := b.tx.PutSite(ctx, s); err != nil {
		return err
	}
	return b.record(ctx, Change{Entity: EntitySite, ID: string(s.ID), Action: action, Site: s.ID}, before, s)
}

// setSiteState changes a site's state, if it is another.
func (b *Batch) setSiteState(ctx context.Context, s Site, state State, action Action) (Site, error) {
	if s.State == state {
		return s, nil
	}
	old := s
	s.State, s.Version, s.Updated = state, s.Version+1, b.now
	return s, b.putSite(ctx, action, old, s)
}

// RetireSite ends the site's installations at a time (zero is now) and takes the
// site out of use; its devices become Planned, free to stand elsewhere. Its past
// stays. Errors: NotFound, Invalid.
func (b *Batch) RetireSite(ctx context.Context, id telemetry.Site, at time.Time) (s Site, err error) {
	err = b.do(ctx, func() error {
		if s, err = b.tx.Site(ctx, id); err != nil {
			return err
		}
		if at, err = b.moment("at", at); err != nil {
			return err
		}
		here, err := b.tx.Installations(ctx, InstallationFilter{Site: id, Open: true})
		if err != nil {
			return err
		}
		for _, i := range here {
			if err := b.end(ctx, i, at); err != nil {
				return err
			}
			if _, err := b.setDeviceState(ctx, i.Device, Planned, Removed, id); err != nil {
				return err
			}
		}
		s, err = b.setSiteState(ctx, s, Retired, RetiredNow)
		return err
	})
	return s, err
}

// ReopenSite takes a retired site into use again, as Planned. Errors: NotFound.
func (b *Batch) ReopenSite(ctx context.Context, id telemetry.Site) (s Site, err error) {
	err = b.do(ctx, func() error {
		if s, err = b.tx.Site(ctx, id); err != nil || s.State != Retired {
			return err
		}
		s, err = b.setSiteState(ctx, s, Planned, Resumed)
		return err
	})
	return s, err
}

// moment is a given time, or now for zero; times ahead are refused.
func (b *Batch) moment(field string, at time.Time) (time.Time, error) {
	at = stamp(at)
	switch {
	case at.IsZero():
		return b.now, nil
	case at.After(b.now.Add(futureTolerance)):
		return at, invalid(field, ReasonFuture, at.Format(time.RFC3339))
	}
	return at, nil
}
