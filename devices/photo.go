package devices

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	_ "image/png" // read by image.Decode
	"strconv"
	"time"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // likewise

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// MaxPhoto bounds a photo's bytes as it is sent: phones scale down before
	// they send.
	MaxPhoto = 2 << 20
	// photoSide is the longer side of a photo as it is kept, in pixels: enough to
	// read a label on a lamp post.
	photoSide = 1600
	// photoQuality is JPEG's.
	photoQuality = 82
	// MaxPhotos is how many an installation has at most.
	MaxPhotos = 20
)

// Photo is a picture of an installation, as evidence and to find it again. It
// never changes; its number is never given again.
type Photo struct {
	ID           int64     `json:"id"`
	Installation int64     `json:"installation"`
	Type         string    `json:"type"` // MIME
	Size         int64     `json:"size"` // bytes
	Width        int64     `json:"width"`
	Height       int64     `json:"height"`
	Digest       string    `json:"digest"` // of what was sent
	At           time.Time `json:"at"`
	Who          string    `json:"who,omitempty"`
	// Removed is when it was deleted: its data is gone.
	Removed time.Time `json:"removed,omitzero"`
}

// ETag is in the form of HTTP.
func (p Photo) ETag() string {
	return strconv.Quote(strconv.FormatInt(p.ID, 10) + "-" + p.Digest[:min(16, len(p.Digest))])
}

// Picture is a photo as it is kept: an upright JPEG without anything that was
// beside the pixels, such as the place and the phone.
type Picture struct {
	// Digest is the SHA-256 of what was sent, by which it is known again.
	Digest        string `json:"digest"`
	Width, Height int    `json:"-"`
	JPEG          []byte `json:"-"`
}

// ReadPicture makes a picture of a JPEG, PNG or WebP of at most [MaxPhoto] bytes.
// It is decoded, whatever its name or headers say, and written anew; it stops once ctx
// has ended. Errors: Invalid of ReasonBadPhoto, ReasonPhotoTooLarge,
// ReasonPhotoPixels, ReasonPhotoScans or ReasonPhotoSlow; else ctx's.
func ReadPicture(ctx context.Context, b []byte) (Picture, error) {
	if len(b) > MaxPhoto {
		return Picture{}, invalid("photo", ReasonPhotoTooLarge, len(b), MaxPhoto)
	}
	head, format, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil || head.Width <= 0 || head.Height <= 0 {
		return Picture{}, invalid("photo", ReasonBadPhoto)
	}
	if err := checkUnfolding(format, b, head); err != nil {
		return Picture{}, err
	}
	sent, err := decoded(ctx, b)
	if err != nil {
		return Picture{}, err
	}
	turned := upright(shrunk(sent), orientation(format, b))
	var out bytes.Buffer
	if err := jpeg.Encode(&out, turned, &jpeg.Options{Quality: photoQuality}); err != nil {
		return Picture{}, internal(err)
	}
	sum := sha256.Sum256(b)
	size := turned.Bounds().Size()
	return Picture{Digest: hex.EncodeToString(sum[:]), Width: size.X, Height: size.Y, JPEG: out.Bytes()}, nil
}

// decoded is the picture as it was sent.
func decoded(ctx context.Context, b []byte) (image.Image, error) {
	within, cancel := context.WithTimeout(ctx, decodeWithin)
	defer cancel()
	m, _, err := image.Decode(waited{within, bytes.NewReader(b)})
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return nil, internal(fmt.Errorf("decode photo: %w", ctx.Err()))
	case within.Err() != nil:
		return nil, invalid("photo", ReasonPhotoSlow, int(decodeWithin/time.Second))
	}
	return nil, invalid("photo", ReasonBadPhoto)
}

// shrunk is the picture on white, its longer side photoSide at most.
func shrunk(m image.Image) *image.RGBA {
	from := m.Bounds()
	w, h := from.Dx(), from.Dy()
	if longer := max(w, h); longer > photoSide {
		w, h = max(1, w*photoSide/longer), max(1, h*photoSide/longer)
	}
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(to, to.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src) // JPEG has no transparency
	draw.ApproxBiLinear.Scale(to, to.Bounds(), m, from, draw.Over, nil)
	return to
}

// AddPhoto adds a picture to an installation. The same picture sent again is the
// photo that is there. Errors: NotFound, Conflict of ReasonTooManyPhotos.
func (b *Batch) AddPhoto(ctx context.Context, installation int64, pic Picture) (p Photo, err error) {
	err = b.do(ctx, func() error {
		i, err := b.tx.Installation(ctx, installation)
		if err != nil {
			return err
		}
		there, err := b.tx.Photos(ctx, PhotoFilter{Installation: installation})
		if err != nil {
			return err
		}
		for _, p = range there {
			if p.Digest == pic.Digest {
				return nil
			}
		}
		if len(there) >= MaxPhotos {
			return conflict("photo", ReasonTooManyPhotos, nil, MaxPhotos)
		}
		p, err = b.addPhoto(ctx, i, pic)
		return err
	})
	return p, err
}

func (b *Batch) addPhoto(ctx context.Context, i Installation, pic Picture) (Photo, error) {
	p := Photo{Installation: i.ID, Type: "image/jpeg", Width: int64(pic.Width), Height: int64(pic.Height), Digest: pic.Digest, At: b.now, Who: b.by.Who}
	p, err := b.tx.AddPhoto(ctx, p, pic.JPEG)
	if err != nil {
		return p, err
	}
	return p, b.recordPhoto(ctx, Created, i, nil, p)
}

// DeletePhoto deletes a photo of an installation: its data for good. Errors:
// NotFound.
func (b *Batch) DeletePhoto(ctx context.Context, installation, id int64) error {
	return b.do(ctx, func() error {
		p, err := b.tx.Photo(ctx, id)
		if err == nil && p.Installation != installation {
			err = Missing(EntityPhoto, strconv.FormatInt(id, 10))
		}
		if err != nil {
			return err
		}
		i, err := b.tx.Installation(ctx, p.Installation)
		if err != nil {
			return err
		}
		gone := p
		gone.Removed = b.now
		if err := b.tx.RemovePhoto(ctx, gone); err != nil {
			return err
		}
		return b.recordPhoto(ctx, Deleted, i, p, gone)
	})
}

func (b *Batch) recordPhoto(ctx context.Context, action Action, i Installation, before, after any) error {
	p := after.(Photo)
	return b.record(ctx, Change{Entity: EntityPhoto, ID: strconv.FormatInt(p.ID, 10), Action: action, Site: i.Site, Device: i.Device}, before, after)
}

// AddPhoto is [Batch.AddPhoto] by itself.
func (r *Registry) AddPhoto(ctx context.Context, by By, installation int64, pic Picture) (Photo, error) {
	return one(ctx, r, by, func(b *Batch) (Photo, error) { return b.AddPhoto(ctx, installation, pic) })
}

// DeletePhoto is [Batch.DeletePhoto] by itself.
func (r *Registry) DeletePhoto(ctx context.Context, by By, installation, id int64) error {
	return r.Batch(ctx, by, func(b *Batch) error { return b.DeletePhoto(ctx, installation, id) })
}

// Photo finds a photo of an installation; NotFound if there is none.
func (r *Registry) Photo(ctx context.Context, installation, id int64) (Photo, error) {
	return read(ctx, r, "read photo", func(rd Reader) (Photo, error) {
		p, err := rd.Photo(ctx, id)
		if err == nil && p.Installation != installation {
			err = Missing(EntityPhoto, strconv.FormatInt(id, 10))
		}
		return p, err
	})
}

// PictureOf reads a photo's JPEG.
func (r *Registry) PictureOf(ctx context.Context, photo int64) ([]byte, error) {
	return read(ctx, r, "read photo", func(rd Reader) ([]byte, error) { return rd.Picture(ctx, photo) })
}

// PhotoOf is a photo and what it shows.
type PhotoOf struct {
	Photo
	Device telemetry.Device
	Site   telemetry.Site
}

// Photos lists photos, the newest first. NotFound if the installation or site
// that is asked for is not there.
func (r *Registry) Photos(ctx context.Context, f PhotoFilter) ([]PhotoOf, error) {
	return read(ctx, r, "list photos", func(rd Reader) (out []PhotoOf, err error) {
		if f.Installation != 0 {
			_, err = rd.Installation(ctx, f.Installation)
		}
		if err == nil && f.Site != "" {
			_, err = rd.Site(ctx, f.Site)
		}
		if err != nil {
			return nil, err
		}
		found, err := rd.Photos(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			i, err := rd.Installation(ctx, p.Installation)
			if err != nil {
				return nil, err
			}
			out = append(out, PhotoOf{p, i.Device, i.Site})
		}
		return out, nil
	})
}
