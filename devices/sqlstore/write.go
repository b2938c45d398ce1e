package sqlstore

import (
	"context"

	"github.com/haidang-iot/haidang/devices"
)

// PutLocality implements [devices.Tx].
func (t *transaction) PutLocality(ctx context.Context, l devices.Locality) error {
	return t.localities.put(ctx, t, l, l.Version, func(l *devices.Locality) int64 { return l.Version })
}

// PutWard implements [devices.Tx].
func (t *transaction) PutWard(ctx context.Context, w devices.Ward) error {
	return t.wards.put(ctx, t, w, w.Version, func(w *devices.Ward) int64 { return w.Version })
}

// PutProfile implements [devices.Tx].
func (t *transaction) PutProfile(ctx context.Context, p devices.Profile) error {
	return t.profiles.put(ctx, t, p, p.Version, func(p *devices.Profile) int64 { return p.Version })
}

// PutSite implements [devices.Tx].
func (t *transaction) PutSite(ctx context.Context, s devices.Site) error {
	row := siteRow{Site: s}.searchable()
	e, err := t.sites.get(ctx, t, string(s.ID))
	if err != nil {
		return err
	}
	if old := e.now; old != nil && (old.search != row.search || old.Locality != s.Locality || old.Ward != s.Ward || old.Position != s.Position) {
		t.moveSite(string(s.ID))
	}
	return t.sites.put(ctx, t, row, s.Version, func(s *siteRow) int64 { return s.Version })
}

// PutDevice implements [devices.Tx].
func (t *transaction) PutDevice(ctx context.Context, d devices.Device) error {
	t.move(string(d.ID))
	return t.devices.put(ctx, t, deviceRow{Device: d}.searchable(), d.Version, func(d *deviceRow) int64 { return d.Version })
}

// PutInstallation implements [devices.Tx].
func (t *transaction) PutInstallation(ctx context.Context, i devices.Installation) (_ devices.Installation, err error) {
	if i.Version == 1 {
		if i.ID, err = t.next(ctx, "installation", "id"); err != nil {
			return i, err
		}
		t.installations.fresh(i.ID)
	}
	t.move(string(i.Device))
	return i, t.installations.put(ctx, t, i, i.Version, func(i *devices.Installation) int64 { return i.Version })
}

// AddPhoto implements [devices.Tx].
func (t *transaction) AddPhoto(ctx context.Context, p devices.Photo, data []byte) (_ devices.Photo, err error) {
	if p.ID, err = t.next(ctx, "photo", "id"); err != nil {
		return p, err
	}
	p.Size = int64(len(data))
	e, err := t.photos.get(ctx, t, p.ID)
	if err != nil {
		return p, err
	}
	t.photos.set(t, p.ID, e, &p)
	return p, t.setPicture(ctx, p.ID, &pictureRow{p.ID, data})
}

// RemovePhoto implements [devices.Tx].
func (t *transaction) RemovePhoto(ctx context.Context, p devices.Photo) error {
	e, err := t.photos.get(ctx, t, p.ID)
	if err != nil {
		return err
	}
	t.photos.set(t, p.ID, e, &p)
	return t.setPicture(ctx, p.ID, nil)
}

// setPicture keeps a photo's data; nil lets go of it.
func (t *transaction) setPicture(ctx context.Context, photo int64, row *pictureRow) error {
	e, err := t.pictures.get(ctx, t, photo)
	if err == nil {
		t.pictures.set(t, photo, e, row)
	}
	return err
}

// AddChange implements [devices.Tx].
func (t *transaction) AddChange(ctx context.Context, c devices.Change) (devices.Change, error) {
	last, err := t.LastChange(ctx)
	if err != nil {
		return c, err
	}
	c.Seq = last + 1
	t.changes.last = c.Seq
	t.changes.pending = append(t.changes.pending, c)
	t.undoable(func() {
		t.changes.last = last
		for n := len(t.changes.pending); n > 0 && t.changes.pending[n-1].Seq > last; n-- {
			t.changes.pending = t.changes.pending[:n-1]
		}
	})
	return c, nil
}

// AddRequest implements [devices.Tx].
func (t *transaction) AddRequest(ctx context.Context, r devices.Request) error {
	return t.requests.put(ctx, t, requestRow{Request: r, answer: string(r.Answer)}, 1, nil)
}

// MergeHeard implements [devices.Tx].
func (t *transaction) MergeHeard(ctx context.Context, heard []devices.Heard, keep int) error {
	ids := make([]string, len(heard))
	for i, h := range heard {
		ids[i] = string(h.Device)
	}
	if err := t.heard.load(ctx, t, ids); err != nil {
		return err
	}
	for _, n := range heard {
		id := string(n.Device)
		e, err := t.heard.get(ctx, t, id)
		if err != nil {
			return err
		}
		if e.now != nil {
			n = e.now.Heard.Merge(n)
		}
		t.heard.set(t, id, e, &heardRow{Heard: n, search: devices.SearchKey(id)})
	}
	return t.trimHeard(ctx, keep)
}
