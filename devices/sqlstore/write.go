package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Nested implements [devices.Tx] by a savepoint.
func (t *transaction) Nested(ctx context.Context, f func() error) error {
	t.depth++
	defer func() { t.depth-- }()
	name := "nested_" + strconv.Itoa(t.depth)
	if _, err := t.q.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
		return fmt.Errorf("begin nested: %w", err)
	}
	err := f()
	if err != nil {
		if _, undo := t.q.ExecContext(ctx, "ROLLBACK TO SAVEPOINT "+name); undo != nil {
			return errors.Join(fmt.Errorf("undo nested: %w", undo), err)
		}
	}
	if _, release := t.q.ExecContext(ctx, "RELEASE SAVEPOINT "+name); release != nil {
		return errors.Join(fmt.Errorf("end nested: %w", release), err)
	}
	return err
}

// PutLocality implements [devices.Tx].
func (t *transaction) PutLocality(ctx context.Context, l devices.Locality) error {
	return localities().put(ctx, t.q, l, l.Version, string(l.ID))
}

// PutWard implements [devices.Tx].
func (t *transaction) PutWard(ctx context.Context, w devices.Ward) error {
	return wards().put(ctx, t.q, w, w.Version, w.Code)
}

// PutProfile implements [devices.Tx].
func (t *transaction) PutProfile(ctx context.Context, p devices.Profile) error {
	return profiles().put(ctx, t.q, p, p.Version, p.ID)
}

// PutSite implements [devices.Tx].
func (t *transaction) PutSite(ctx context.Context, s devices.Site) error {
	row := siteRow{Site: s}.searchable()
	if s.Version == 1 {
		return sites().put(ctx, t.q, row, 1, string(s.ID))
	}
	if err := sites().put(ctx, t.q, row, s.Version, string(s.ID)); err != nil {
		return err
	}
	// One by one: a database that has not yet gathered statistics would go through
	// all devices to find the few that stand here.
	var here []string
	err := each(ctx, t.q, "SELECT device FROM placed WHERE site = $1", []any{string(s.ID)}, func(scan func(...any) error) error {
		var d string
		err := scan(&d)
		here = append(here, d)
		return err
	})
	for i := 0; err == nil && i < len(here); i++ {
		err = t.place(ctx, here[i])
	}
	return err
}

// PutDevice implements [devices.Tx].
func (t *transaction) PutDevice(ctx context.Context, d devices.Device) error {
	if err := deviceRows().put(ctx, t.q, deviceRow{Device: d}.searchable(), d.Version, string(d.ID)); err != nil {
		return err
	}
	return t.place(ctx, string(d.ID))
}

// PutInstallation implements [devices.Tx].
func (t *transaction) PutInstallation(ctx context.Context, i devices.Installation) (devices.Installation, error) {
	if i.Version == 1 {
		last, err := t.last(ctx, "installation", "id")
		if err != nil {
			return i, err
		}
		i.ID = last + 1
	}
	if err := installations().put(ctx, t.q, i, i.Version, i.ID); err != nil {
		return i, err
	}
	return i, t.place(ctx, string(i.Device))
}

// place writes down anew where a device stands and what is searched of it.
func (t *transaction) place(ctx context.Context, id string) error {
	_, err := t.q.ExecContext(ctx, `INSERT INTO placed (device, site, installation, locality, ward, lat, lon, kinds, state, search)
		SELECT d.id, COALESCE(i.site, ''), COALESCE(i.id, 0), COALESCE(s.locality, ''), COALESCE(s.ward, ''), COALESCE(s.lat, 0), COALESCE(s.lon, 0),
			d.kinds, d.state, d.search || ' ' || COALESCE(s.search, '')
		FROM device d LEFT JOIN installation i ON i.device = d.id AND i.ends IS NULL LEFT JOIN site s ON s.id = i.site WHERE d.id = $1
		ON CONFLICT (device) DO UPDATE SET site = excluded.site, installation = excluded.installation, locality = excluded.locality,
			ward = excluded.ward, lat = excluded.lat, lon = excluded.lon, kinds = excluded.kinds, state = excluded.state, search = excluded.search`, id)
	if err != nil {
		return fmt.Errorf("write where device stands: %w", err)
	}
	return nil
}

// AddPhoto implements [devices.Tx].
func (t *transaction) AddPhoto(ctx context.Context, p devices.Photo) (int64, error) {
	last, err := t.last(ctx, "photo", "id")
	if err != nil {
		return 0, err
	}
	p.ID = last + 1
	return p.ID, photos().insert(ctx, t.q, p)
}

// AddChange implements [devices.Tx].
func (t *transaction) AddChange(ctx context.Context, c devices.Change) (devices.Change, error) {
	last, err := t.LastChange(ctx)
	if err != nil {
		return c, err
	}
	c.Seq = last + 1
	return c, changes().insert(ctx, t.q, c)
}

// AddRequest implements [devices.Tx].
func (t *transaction) AddRequest(ctx context.Context, r devices.Request) error {
	return requests().insert(ctx, t.q, requestRow{Request: r, answer: string(r.Answer)})
}

// MergeHeard implements [devices.Tx].
func (t *transaction) MergeHeard(ctx context.Context, heard []devices.Heard, keep int) error {
	hs := heards()
	for _, n := range heard {
		rows, err := hs.all(ctx, t.q, "WHERE device = $1", string(n.Device))
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			n = rows[0].Heard.Merge(n)
			if err := t.ForgetHeard(ctx, n.Device); err != nil {
				return err
			}
		}
		if err := hs.insert(ctx, t.q, heardRow{Heard: n, search: devices.SearchKey(string(n.Device))}); err != nil {
			return err
		}
	}
	_, err := t.q.ExecContext(ctx, "DELETE FROM heard WHERE device IN (SELECT device FROM heard ORDER BY last_at DESC, device LIMIT 1000000 OFFSET "+strconv.Itoa(keep)+")")
	if err != nil {
		return fmt.Errorf("forget oldest heard: %w", err)
	}
	return nil
}

// ForgetHeard implements [devices.Tx].
func (t *transaction) ForgetHeard(ctx context.Context, d telemetry.Device) error {
	if _, err := t.q.ExecContext(ctx, "DELETE FROM heard WHERE device = $1", string(d)); err != nil {
		return fmt.Errorf("forget heard device: %w", err)
	}
	return nil
}
