package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
	"github.com/boombuler/barcode/qr"
	"github.com/danielgtaylor/huma/v2"
	"github.com/go-fonts/dejavu/dejavusanscondensed"
	"github.com/go-fonts/dejavu/dejavusanscondensedbold"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// A sheet is A4 with 3 by 8 labels of 70 by 37 mm without gaps, a common size
// (half a millimetre of the sheet is left above and below).
const (
	labelColumns = 3
	labelRows    = 8
	labelWidth   = 70.0
	labelHeight  = 37.0
	labelTop     = (297 - labelRows*labelHeight) / 2
	labelMargin  = 4.0 // printers do not reach the edge, and cutting is not exact
	qrSize       = 28.0
)

// label is what is on one.
type label struct {
	device telemetry.Device
	site   string
	kinds  string
	link   string
	secret bool // the link has it
}

// labelRequest knows where it came to, for the links.
type labelRequest struct {
	Body LabelInput
	host string
}

// Resolve implements huma.Resolver.
func (r *labelRequest) Resolve(ctx huma.Context) []error {
	scheme := "http"
	if ctx.TLS() != nil {
		scheme = "https"
	}
	r.host = scheme + "://" + ctx.Host()
	return nil
}

func (a *API) labels(ctx context.Context, in *labelRequest) (*file, error) {
	base := a.PublicURL
	if base == "" {
		base = in.host
	}
	end, err := a.writing.begin(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	defer end()
	ids := slices.Clone(in.Body.Devices)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	found := make(map[telemetry.Device]devices.Placed, len(ids))
	for _, id := range ids {
		p, err := a.Registry.Device(ctx, id)
		if err == nil {
			err = a.mayDevice(ctx, id)
		}
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		found[id] = p
	}
	secrets := map[telemetry.Device]string{}
	if in.Body.IssueSecrets {
		if a.Credentials == nil {
			return nil, unavailable("Tiến trình này không cấp mật khẩu thiết bị.", "This process issues no secrets.")
		}
		var err error
		secrets, err = a.Credentials.Issue(ctx, a.by(ctx, in.Body.Why), ids)
		var refused huma.StatusError // by access control
		switch {
		case errors.As(err, &refused):
			return nil, refused
		case err != nil:
			return nil, a.fail(ctx, err)
		}
	}
	labels := make([]label, 0, len(ids))
	for _, id := range ids {
		labels = append(labels, a.label(base, found[id], secrets[id]))
	}
	pdf, err := labelSheet(labels, in.Body.Skip)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return fileOf("application/pdf", `attachment; filename="haidang-labels.pdf"`, "no-store", pdf), nil
}

func (a *API) label(base string, p devices.Placed, secret string) label {
	l := label{device: p.Device.ID, link: RegistrationLink(base, p.Device.ID, secret), secret: secret != ""}
	if p.Site != nil {
		l.site = p.Site.Name
	}
	var kinds []string
	for _, k := range p.Device.Kinds {
		if spec := a.Registry.Catalogue.Kind(k); spec != nil {
			kinds = append(kinds, spec.NameVI)
		}
	}
	l.kinds = strings.Join(kinds, ", ")
	return l
}

// RegistrationLink is what a label's QR code says: the page of the field app that
// registers the device. The secret is behind the #, which browsers do not send to
// servers, so that it is in no log.
func RegistrationLink(base string, device telemetry.Device, secret string) string {
	link := strings.TrimRight(base, "/") + "/register?" + url.Values{"device": {string(device)}}.Encode()
	if secret != "" {
		link += "#" + url.Values{"secret": {secret}}.Encode()
	}
	return link
}

// labelSheet draws labels, leaving out the first places of the first sheet.
func labelSheet(labels []label, skip int) ([]byte, error) {
	f := fpdf.New("P", "mm", "A4", "")
	f.SetMargins(0, 0, 0)
	f.SetAutoPageBreak(false, 0)
	f.SetTitle("Hải Đăng", true)
	// The library changes the bytes of a font while it reads them.
	f.AddUTF8FontFromBytes("vn", "", bytes.Clone(dejavusanscondensed.TTF))
	f.AddUTF8FontFromBytes("vn", "B", bytes.Clone(dejavusanscondensedbold.TTF))
	for i, l := range labels {
		place := (i + skip) % (labelColumns * labelRows)
		if i == 0 || place == 0 {
			f.AddPage()
		}
		x := float64(place%labelColumns) * labelWidth
		y := labelTop + float64(place/labelColumns)*labelHeight
		if err := drawLabel(f, x, y, l); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	if err := f.Output(&b); err != nil {
		return nil, fmt.Errorf("write label sheet: %w", err)
	}
	return b.Bytes(), nil
}

func drawLabel(f *fpdf.Fpdf, x, y float64, l label) error {
	if err := drawQR(f, x+labelMargin, y+(labelHeight-qrSize)/2, l.link); err != nil {
		return err
	}
	left := x + labelMargin + qrSize + 2
	width := labelWidth - (left - x) - labelMargin
	at := y + 6.5
	line := func(style string, size float64, s string, lines int) {
		f.SetFont("vn", style, size)
		for _, part := range wrap(s, width, lines, f.GetStringWidth) {
			f.Text(left, at+size*0.25, part)
			at += size * 0.44
		}
		at += 0.8
	}
	line("", 6, "HẢI ĐĂNG", 1)
	line("B", 9, string(l.device), 3)
	line("", 8, l.site, 3)
	line("", 6, l.kinds, 2)
	if l.secret {
		line("B", 6, "Mã QR chứa mật khẩu", 1)
	}
	return nil
}

// drawQR draws the code as areas, sharp at any resolution: each row's dark runs.
func drawQR(f *fpdf.Fpdf, x, y float64, text string) error {
	// M survives 15 % of damage; a label outdoors gets scratched.
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return fmt.Errorf("draw qr code: %w", err)
	}
	const quiet = 4 // modules of white around it, as the standard demands
	n := code.Bounds().Dx()
	module := qrSize / float64(n+2*quiet)
	dark := func(i, j int) bool { r, _, _, _ := code.At(i, j).RGBA(); return r == 0 }
	f.SetFillColor(0, 0, 0)
	for j := range n {
		for i := 0; i < n; {
			if !dark(i, j) {
				i++
				continue
			}
			begin := i
			for i < n && dark(i, j) {
				i++
			}
			f.Rect(x+float64(begin+quiet)*module, y+float64(j+quiet)*module, float64(i-begin)*module, module, "F")
		}
	}
	return nil
}

// wrap breaks text into at most so many lines of a width: between words where it
// can, within them where it must; what is too much ends in an ellipsis.
func wrap(s string, width float64, lines int, measure func(string) float64) (out []string) {
	rest := strings.TrimSpace(s)
	for rest != "" && len(out) < lines {
		fits := fitting(rest, width, measure)
		if fits == len(rest) {
			return append(out, rest)
		}
		if len(out) == lines-1 {
			for fits > 0 && measure(rest[:fits]+"…") > width {
				_, size := utf8.DecodeLastRuneInString(rest[:fits])
				fits -= size
			}
			return append(out, strings.TrimSpace(rest[:fits])+"…")
		}
		if space := strings.LastIndexByte(rest[:fits+1], ' '); space > 0 {
			fits = space
		}
		out = append(out, strings.TrimSpace(rest[:fits]))
		rest = strings.TrimSpace(rest[fits:])
	}
	return out
}

// fitting is how many bytes of a text fit into a width, at least one character.
func fitting(s string, width float64, measure func(string) float64) int {
	fits := 0
	for i, r := range s {
		end := i + utf8.RuneLen(r)
		if fits > 0 && measure(s[:end]) > width {
			break
		}
		fits = end
	}
	return fits
}
