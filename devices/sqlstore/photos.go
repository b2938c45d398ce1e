package sqlstore

import (
	"context"
	"fmt"

	"github.com/haidang-iot/haidang/devices"
)

// mendPhotos writes the photos anew that were stored as they were sent, before
// migration 00003: with EXIF, which may tell the place and the phone, and on their
// side. They are those without a digest. One that cannot be decoded stays as it is,
// without a digest, and is not shown.
func (s *Store) mendPhotos(ctx context.Context) error {
	var ids []int64
	err := each(ctx, s.read, "SELECT id FROM photo WHERE digest = '' AND removed IS NULL ORDER BY id", nil, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range ids { // one at a time: each may take megabytes
		if err := s.Write(ctx, func(tx devices.Tx) error { return tx.(*transaction).mendPhoto(ctx, id) }); err != nil {
			return fmt.Errorf("mend photo %d: %w", id, err)
		}
	}
	return nil
}

func (t *transaction) mendPhoto(ctx context.Context, id int64) error {
	p, err := t.Photo(ctx, id)
	if err != nil {
		return err
	}
	data, err := t.Picture(ctx, id)
	if err != nil {
		return err
	}
	pic, err := devices.ReadPicture(ctx, data)
	if devices.CodeOf(err) == devices.Internal { // not the picture's fault, such as that ctx has ended
		return err
	}
	if err != nil { // no picture: there is nothing to mend
		return nil
	}
	p.Type, p.Size, p.Width, p.Height, p.Digest = "image/jpeg", int64(len(pic.JPEG)), int64(pic.Width), int64(pic.Height), pic.Digest
	e, err := t.photos.get(ctx, t, id)
	if err != nil {
		return err
	}
	t.photos.set(t, id, e, &p)
	return t.setPicture(ctx, id, &pictureRow{id, pic.JPEG})
}
