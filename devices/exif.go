package devices

import (
	"bytes"
	"encoding/binary"
	"image"
)

// orientation is how the camera was held: EXIF's tag 0x0112, 1 to 8, of which 1 is
// upright (CIPA DC-008, 4.6.4). It is 1 where nothing that can be read says
// otherwise: a wrong one costs a turned picture and nothing else.
func orientation(format string, b []byte) int {
	switch format {
	case "jpeg":
		return tiffOrientation(jpegEXIF(b))
	case "webp":
		return tiffOrientation(riffChunk(b, "EXIF"))
	case "png":
		return tiffOrientation(pngChunk(b, "eXIf"))
	default:
		return 1
	}
}

// jpegEXIF is the TIFF part of the first APP1 segment with EXIF before the pixels.
func jpegEXIF(b []byte) []byte {
	for at := 2; at+4 <= len(b) && b[at] == 0xff && b[at+1] != 0xda; { // until the start of scan
		end := at + 2 + int(binary.BigEndian.Uint16(b[at+2:]))
		if end > len(b) || end < at+4 {
			return nil
		}
		if tiff, ok := bytes.CutPrefix(b[at+4:end], []byte("Exif\x00\x00")); ok && b[at+1] == 0xe1 {
			return tiff
		}
		at = end
	}
	return nil
}

// riffChunk is a chunk of a RIFF file, as WebP is.
func riffChunk(b []byte, name string) []byte {
	for at := int64(12); at+8 <= int64(len(b)); {
		size := int64(binary.LittleEndian.Uint32(b[at+4:]))
		if at+8+size > int64(len(b)) {
			return nil
		}
		if string(b[at:at+4]) == name {
			return bytes.TrimPrefix(b[at+8:at+8+size], []byte("Exif\x00\x00"))
		}
		at += 8 + size + size%2
	}
	return nil
}

// pngChunk is a chunk of a PNG file.
func pngChunk(b []byte, name string) []byte {
	for at := int64(8); at+12 <= int64(len(b)); {
		size := int64(binary.BigEndian.Uint32(b[at:]))
		if at+12+size > int64(len(b)) {
			return nil
		}
		if string(b[at+4:at+8]) == name {
			return b[at+8 : at+8+size]
		}
		at += 12 + size
	}
	return nil
}

// tiffOrientation reads the tag in the first directory of a TIFF structure.
func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if string(t[:2]) == "II" {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(t[4:]))
	if at+2 > int64(len(t)) {
		return 1
	}
	count := int64(order.Uint16(t[at:]))
	for n := range count {
		entry := at + 2 + 12*n
		if entry+12 > int64(len(t)) {
			return 1
		}
		if order.Uint16(t[entry:]) != 0x0112 {
			continue
		}
		if o := int(order.Uint16(t[entry+8:])); o >= 1 && o <= 8 {
			return o
		}
		return 1
	}
	return 1
}

// upright turns and mirrors a picture of an orientation.
func upright(m *image.RGBA, orientation int) *image.RGBA {
	if orientation == 1 {
		return m
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		to = image.NewRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch orientation {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			to.SetRGBA(tx, ty, m.RGBAAt(x, y))
		}
	}
	return to
}
