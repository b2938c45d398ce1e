package sqlstore

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"path/filepath"
	"testing"

	"github.com/haidang-iot/haidang/devices"
)

// Photos from before migration 00003 are written anew when the store is opened:
// without EXIF, upright. What is no picture stays as it is, without a digest.
func TestOldPhotosLoseTheirEXIF(t *testing.T) {
	place := filepath.Join(t.TempDir(), "registry.db")
	s, err := connect(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.migrate(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	m := image.NewGray(image.Rect(0, 0, 40, 20))
	m.Set(1, 1, color.White)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	// Orientation 6: the camera stood on its side. A marker stands for a position.
	const tiff = "Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00GPS 12.2388 109.1967"
	shot := append([]byte("\xff\xd8\xff\xe1\x00"+string(rune(len(tiff)+2))+tiff), b.Bytes()[2:]...)
	for _, q := range []string{
		`INSERT INTO locality VALUES ('l', '', '', '[]', 0, 0, 0, 0, NULL, NULL, 1)`,
		`INSERT INTO site VALUES ('s', '', '', '', 'l', NULL, 0, 0, 0, '', 0, '', '', '', FALSE, 'active', 1, NULL)`,
		`INSERT INTO device VALUES ('d', '', '', '', '', '', '', FALSE, FALSE, 'active', '', 1, NULL, NULL)`,
		`INSERT INTO installation VALUES (1, 'd', 's', 0, NULL, FALSE, 0, FALSE, 1)`,
	} {
		if _, err := s.write.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	for id, data := range map[int][]byte{1: shot, 2: []byte("GPS and no picture")} {
		if _, err := s.write.ExecContext(t.Context(), `INSERT INTO photo VALUES ($1, 1, 'image/jpeg', $2, 0)`, id, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if s, err = Open(t.Context(), place); err != nil {
			t.Fatal(err)
		}
		err = s.Read(t.Context(), func(r devices.Reader) error {
			p, err := r.Photo(t.Context(), 1)
			if err != nil {
				return err
			}
			data, err := r.Picture(t.Context(), 1)
			if err != nil {
				return err
			}
			kept, _, err := image.DecodeConfig(bytes.NewReader(data))
			if err != nil || kept.Width != 20 || kept.Height != 40 || p.Width != 20 || p.Height != 40 || p.Size != int64(len(data)) || p.Digest == "" {
				t.Errorf("kept as %+v, %+v, %v", p, kept, err)
			}
			if bytes.Contains(data, []byte("GPS")) || bytes.Contains(data, []byte("Exif")) {
				t.Error("the position is still in it")
			}
			other, err := r.Photo(t.Context(), 2)
			if other.Digest != "" {
				t.Errorf("what is no picture is %+v", other)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
