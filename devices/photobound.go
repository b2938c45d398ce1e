package devices

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"io"
	"time"
)

const (
	// maxPixels bounds what a photo unpacks to, whatever its bytes: 40 million are
	// the most that phones make.
	maxPixels = 40 << 20
	// maxUnfolded bounds the memory of decoding one, in bytes.
	maxUnfolded = 320 << 20
	// maxScanned bounds the pixels that all scans of a JPEG go through together:
	// a scan of a few bytes may say that nothing changes in the whole picture, and
	// takes its time nevertheless. Ten are usual (libjpeg's jpeg_simple_progression).
	maxScanned = 480 << 20
	// decodeWithin bounds the time of decoding one; the most that the bounds above
	// let through takes some seconds.
	decodeWithin = 30 * time.Second
	// decodeStep is how many bytes a decoder is given at a time: between them it is
	// seen whether anybody still waits.
	decodeStep = 64
)

// checkUnfolding refuses a picture that would take too much memory or work, before
// any of its pixels is decoded.
func checkUnfolding(format string, b []byte, head image.Config) error {
	pixels := int64(head.Width) * int64(head.Height)
	perPixel := int64(8) // bytes, with what a decoder needs beside the picture
	switch format {
	case "jpeg":
		f, err := jpegFrame(b)
		if err != nil {
			return err
		}
		perPixel = f.bytesPerPixel()
		// Whatever precedes it, a scan begins with these two bytes, which cannot be
		// within one; thumbnails count too.
		scans := int64(bytes.Count(b, []byte{0xff, 0xda}))
		if pixels <= maxPixels && scans*pixels > maxScanned {
			return invalid("photo", ReasonPhotoScans, scans, max(1, maxScanned/pixels))
		}
	case "png":
		perPixel = pngBytesPerPixel(b, head.ColorModel)
	}
	if most := min(maxPixels, maxUnfolded/perPixel); pixels > most {
		return invalid("photo", ReasonPhotoPixels, head.Width, head.Height, most>>20)
	}
	return nil
}

// frame is what a JPEG's start of frame says (ITU-T T.81, B.2.2).
type frame struct {
	progressive bool
	components  int
	// quarters are the samples for a pixel of all components together, times four.
	quarters int64
}

// bytesPerPixel is what decoding takes: the samples, and of a progressive picture
// all coefficients, of four bytes each, until the last scan.
func (f frame) bytesPerPixel() int64 {
	n := f.quarters
	if f.components == 4 {
		n += 16 // inks are converted into a picture of their own
	}
	if f.progressive {
		n += 4 * f.quarters
	}
	return max(1, (n+3)/4)
}

// jpegFrame finds the start of frame among the segments before the first scan. What
// libraries forgive, bytes between segments, no camera writes.
func jpegFrame(b []byte) (frame, error) {
	bad := invalid("photo", ReasonBadPhoto)
	for at := 2; at+4 <= len(b); {
		marker := b[at+1]
		switch {
		case b[at] != 0xff:
			return frame{}, bad
		case marker == 0xff: // a byte to fill
			at++
			continue
		case marker >= 0xd0 && marker <= 0xd7: // restart: nothing follows
			at += 2
			continue
		case marker == 0 || marker == 0xd9 || marker == 0xda:
			return frame{}, bad
		}
		end := at + 2 + int(binary.BigEndian.Uint16(b[at+2:]))
		if end > len(b) || end < at+4 {
			return frame{}, bad
		}
		if marker >= 0xc0 && marker <= 0xc2 {
			return startOfFrame(marker == 0xc2, b[at+4:end])
		}
		at = end
	}
	return frame{}, bad
}

func startOfFrame(progressive bool, b []byte) (frame, error) {
	if len(b) < 6 || len(b) < 6+3*int(b[5]) {
		return frame{}, invalid("photo", ReasonBadPhoto)
	}
	f := frame{progressive: progressive, components: int(b[5])}
	var widest, highest, all int64 = 1, 1, 0
	for n := range f.components {
		h, v := int64(b[6+3*n+1]>>4), int64(b[6+3*n+1]&15)
		widest, highest = max(widest, h), max(highest, v)
		all += h * v
	}
	f.quarters = (4*all + widest*highest - 1) / (widest * highest)
	return f, nil
}

// pngBytesPerPixel is the picture as it is in memory; an interlaced one is made of
// others, of which the largest has half its pixels.
func pngBytesPerPixel(b []byte, m color.Model) int64 {
	n := int64(4)
	switch m {
	case color.RGBA64Model, color.NRGBA64Model:
		n = 8
	case color.Gray16Model:
		n = 2
	}
	if len(b) > 28 && b[28] != 0 {
		n += n / 2
	}
	return n
}

// waited reads for who waits: it fails once ctx has ended.
type waited struct {
	ctx  context.Context
	from io.Reader
}

// Read implements io.Reader.
func (w waited) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, fmt.Errorf("read photo: %w", err)
	}
	return w.from.Read(b[:min(len(b), decodeStep)])
}
