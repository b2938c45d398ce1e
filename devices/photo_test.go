package devices_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
)

// picture is what ReadPicture makes of a small picture; another name, another one.
func picture(t *testing.T, name string) *devices.Picture {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 1+len(name)))); err != nil {
		t.Fatal(err)
	}
	p, err := devices.ReadPicture(t.Context(), b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// corner is a picture of black with a white quarter at the top left.
func corner(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.Black)
			if x < w/2 && y < h/2 {
				m.Set(x, y, color.White)
			}
		}
	}
	return m
}

// exif is a TIFF structure with an orientation and a marker in place of a
// position.
func exif(orientation uint16) []byte {
	t := []byte("MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	t = binary.BigEndian.AppendUint16(t, orientation)
	return append(t, "\x00\x00\x00\x00\x00\x00GPS 12.2388 109.1967"...)
}

// shot is a JPEG as a camera writes it, held in some way.
func shot(t *testing.T, m image.Image, orientation uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	tiff := append([]byte("Exif\x00\x00"), exif(orientation)...)
	app1 := binary.BigEndian.AppendUint16([]byte("\xff\xe1"), uint16(len(tiff)+2))
	return append(append([]byte("\xff\xd8"), append(app1, tiff...)...), b.Bytes()[2:]...)
}

func decoded(t *testing.T, p devices.Picture) image.Image {
	t.Helper()
	m, format, err := image.Decode(bytes.NewReader(p.JPEG))
	if err != nil || format != "jpeg" {
		t.Fatal(format, err)
	}
	if size := m.Bounds().Size(); size.X != p.Width || size.Y != p.Height {
		t.Errorf("it is said to be %d × %d and is %v", p.Width, p.Height, size)
	}
	return m
}

// bright tells of the four quarters which is white: top left, top right, bottom
// left, bottom right.
func bright(m image.Image) (out [4]bool) {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	for i, at := range []image.Point{{w / 4, h / 4}, {w * 3 / 4, h / 4}, {w / 4, h * 3 / 4}, {w * 3 / 4, h * 3 / 4}} {
		r, _, _, _ := m.At(at.X, at.Y).RGBA()
		out[i] = r > 0x8000
	}
	return out
}

func TestPhotosAreTurnedUpright(t *testing.T) {
	for orientation, want := range map[uint16]struct {
		quarter int
		turned  bool
	}{1: {0, false}, 2: {1, false}, 3: {3, false}, 4: {2, false}, 5: {0, true}, 6: {1, true}, 7: {3, true}, 8: {2, true}, 9: {0, false}} {
		p, err := devices.ReadPicture(t.Context(), shot(t, corner(64, 32), orientation))
		if err != nil {
			t.Fatal(err)
		}
		if p.Width == 32 != want.turned {
			t.Errorf("orientation %d: %d × %d", orientation, p.Width, p.Height)
		}
		var quarters [4]bool
		quarters[want.quarter] = true
		if diff := cmp.Diff(quarters, bright(decoded(t, p))); diff != "" {
			t.Errorf("orientation %d: %s", orientation, diff)
		}
		if bytes.Contains(p.JPEG, []byte("GPS")) || bytes.Contains(p.JPEG, []byte("Exif")) {
			t.Errorf("orientation %d: where it was taken is still in it", orientation)
		}
	}
}

func TestPhotosOfAllFormats(t *testing.T) {
	var transparent bytes.Buffer
	if err := png.Encode(&transparent, image.NewNRGBA(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	p, err := devices.ReadPicture(t.Context(), transparent.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if r, _, _, _ := decoded(t, p).At(4, 4).RGBA(); r < 0xf000 {
		t.Errorf("what is transparent is %x, want white", r)
	}
	webp, err := base64.StdEncoding.DecodeString("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
	if err != nil {
		t.Fatal(err)
	}
	if p, err = devices.ReadPicture(t.Context(), webp); err != nil || p.Width != 1 {
		t.Errorf("WebP: %+v, %v", p, err)
	}
	if p, err = devices.ReadPicture(t.Context(), shot(t, corner(3000, 1500), 6)); err != nil || p.Width != 800 || p.Height != 1600 {
		t.Errorf("a large one: %d × %d, %v", p.Width, p.Height, err)
	}
}

func TestBadPhotos(t *testing.T) {
	c := newCity(t)
	good := shot(t, corner(64, 64), 1)
	head := []byte("IHDR\x00\x01\x00\x00\x00\x01\x00\x00\x08\x02\x00\x00\x00") // 65,536 × 65,536 pixels
	bomb := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	bomb = binary.BigEndian.AppendUint32(bomb, crc32.ChecksumIEEE(head))
	for name, tt := range map[string]struct {
		b    []byte
		want devices.Reason
	}{
		"nothing":   {nil, devices.ReasonBadPhoto},
		"script":    {[]byte("<svg onload=alert(1)>"), devices.ReasonBadPhoto},
		"cut":       {good[:len(good)/2], devices.ReasonBadPhoto},
		"head only": {good[:200], devices.ReasonBadPhoto},
		"too large": {append(bytes.Clone(good), make([]byte, devices.MaxPhoto)...), devices.ReasonPhotoTooLarge},
		"bomb":      {bomb, devices.ReasonPhotoPixels},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := devices.ReadPicture(t.Context(), tt.b)
			c.want(err, devices.Invalid, "photo", tt.want)
		})
	}
}

// progressive is a grey JPEG of so many scans, each of some bytes: they say that
// nothing changes in the whole picture (T.81, G.1.2.2: runs of blocks that have ended).
func progressive(scans, w, h int) []byte {
	b := []byte{0xff, 0xd8}
	segment := func(marker byte, body ...byte) {
		b = append(b, 0xff, marker)
		b = binary.BigEndian.AppendUint16(b, uint16(2+len(body)))
		b = append(b, body...)
	}
	// A table of one code, of one bit.
	table := func(class, symbol byte) []byte { return append(append([]byte{class, 1}, make([]byte, 15)...), symbol) }
	segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)
	segment(0xc2, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)
	segment(0xc4, table(0, 0)...)
	segment(0xc4, table(0x10, 0xe0)...) // the end of 16,384 blocks
	blocks := (w + 7) / 8 * ((h + 7) / 8)
	segment(0xda, 1, 1, 0, 0, 0, 0)
	b = append(b, make([]byte, blocks/8+1)...)
	for range scans - 1 {
		segment(0xda, 1, 1, 0, 1, 63, 0x10)
		b = append(b, make([]byte, (blocks+16383)/16384*15/8+1)...)
	}
	return append(b, 0xff, 0xd9)
}

// TestPhotosThatCostTooMuch: the work of decoding is bounded, not only bytes and
// pixels, and a photo whose sender is gone is not decoded on.
func TestPhotosThatCostTooMuch(t *testing.T) {
	read := func(ctx context.Context, b []byte) error {
		_, err := devices.ReadPicture(ctx, b)
		return err
	}
	refused := func(err error, want devices.Reason) {
		t.Helper()
		if devices.CodeOf(err) != devices.Invalid || !devices.HasReason(err, want) {
			t.Errorf("have %v, want %s", err, want)
		}
	}
	if err := read(t.Context(), progressive(10, 640, 480)); err != nil {
		t.Errorf("a usual progressive photo: %v", err)
	}
	many := progressive(300, 6400, 6400)
	if len(many) > 120<<10 {
		t.Fatalf("it has %d bytes", len(many))
	}
	refused(read(t.Context(), many), devices.ReasonPhotoScans)
	refused(read(t.Context(), bytes.Replace(many, []byte{0xff, 0xda}, []byte{0xff, 0xff, 0xda}, 1)), devices.ReasonPhotoScans)
	colour := progressive(1, 6000, 6000) // of three components, no one smaller than the others
	at := bytes.Index(colour, []byte{0xff, 0xc2})
	colour = slices.Replace(colour, at, at+13, 0xff, 0xc2, 0, 17, 8, 6000>>8, 6000&255, 6000>>8, 6000&255, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
	refused(read(t.Context(), colour), devices.ReasonPhotoPixels)
	deep := new(bytes.Buffer) // 16 bits and interlaced: twelve bytes a pixel
	if err := png.Encode(deep, image.NewNRGBA64(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	header := deep.Bytes()[12:29]
	binary.BigEndian.PutUint32(header[4:], 6000)
	binary.BigEndian.PutUint32(header[8:], 6000)
	header[16] = 1
	binary.BigEndian.PutUint32(deep.Bytes()[29:], crc32.ChecksumIEEE(header))
	refused(read(t.Context(), deep.Bytes()), devices.ReasonPhotoPixels)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := read(gone, progressive(10, 6400, 6400)); !errors.Is(err, context.Canceled) {
		t.Errorf("a photo whose sender is gone: %v", err)
	}
}

func FuzzReadPicture(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM"))
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBPEXIF\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := devices.ReadPicture(t.Context(), b); err == nil && max(p.Width, p.Height) > 1600 {
			t.Errorf("%d × %d", p.Width, p.Height)
		}
	})
}

func TestPhotosOfAnInstallation(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	done, err := c.RegisterDevice(ctx, by("lan"), registration("q"))
	if err != nil {
		t.Fatal(err)
	}
	n := done.Installation.ID
	first, err := c.AddPhoto(ctx, by("lan"), n, *picture(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.AddPhoto(ctx, by("lan"), n, *picture(t, "a")); err != nil || again != first {
		t.Errorf("sent again: %+v, %v", again, err)
	}
	if _, err := c.AddPhoto(ctx, by("lan"), n, *picture(t, "ab")); err != nil {
		t.Fatal(err)
	}
	_, err = c.AddPhoto(ctx, by("lan"), 99, *picture(t, "a"))
	c.want(err, devices.NotFound, "", devices.ReasonNotFound)
	c.want(c.DeletePhoto(ctx, by("lan"), 99, first.ID), devices.NotFound, "", devices.ReasonNotFound)
	if err := c.DeletePhoto(ctx, devices.By{Who: "minh", Scope: devices.Everywhere(), Why: "a face"}, n, first.ID); err != nil {
		t.Fatal(err)
	}
	_, err = c.Photo(ctx, n, first.ID)
	c.want(err, devices.NotFound, "", devices.ReasonNotFound)
	_, err = c.PictureOf(ctx, first.ID)
	c.want(err, devices.NotFound, "", devices.ReasonNotFound)
	third, err := c.AddPhoto(ctx, by("lan"), n, *picture(t, "abc"))
	if err != nil || third.ID != 3 {
		t.Errorf("after a deletion: %+v, %v; want number 3", third, err)
	}
	found, err := c.Photos(ctx, devices.PhotoFilter{Site: done.Site.ID})
	if err != nil || len(found) != 2 || found[0].ID != 3 || found[0].Device != "d" {
		t.Errorf("of the site: %+v, %v", found, err)
	}
	log, err := c.History(ctx, devices.ChangeFilter{Entity: devices.EntityPhoto, Site: done.Site.ID})
	if err != nil || len(log) != 4 || log[1].Action != devices.Deleted || log[1].Why != "a face" {
		t.Errorf("journal: %+v, %v", log, err)
	}
	for i := range devices.MaxPhotos + 1 {
		_, err = c.AddPhoto(ctx, by("lan"), n, devices.Picture{Digest: string(rune('a' + i)), JPEG: []byte{1}})
	}
	c.want(err, devices.Conflict, "photo", devices.ReasonTooManyPhotos)
}
