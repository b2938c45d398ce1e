package table

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones by name, also where the system has none
)

// DefaultZone is that of times that do not say theirs.
const DefaultZone = "Asia/Ho_Chi_Minh"

// The formats that are no patterns.
const (
	isoTime    = "iso"
	unixTime   = "unix"
	unixMillis = "unix_ms"
)

// patterns are the letters of a format and what Go calls them. Parsing takes one
// digit where two are written, so 7 is also 07.
func patterns() [][2]string {
	return [][2]string{{"yyyy", "2006"}, {"yy", "06"}, {"MMM", "Jan"}, {"MM", "1"}, {"M", "1"}, {"dd", "2"}, {"d", "2"}, {"HH", "15"}, {"H", "15"},
		{"hh", "3"}, {"h", "3"}, {"mm", "4"}, {"m", "4"}, {"ss", "5"}, {"s", "5"}, {"a", "PM"}, {"XXX", "Z07:00"}, {"XX", "Z0700"}}
}

// layout makes a format such as dd/MM/yyyy HH:mm:ss Go's.
func layout(format string) (string, error) {
	var out strings.Builder
	packed := !strings.ContainsAny(format, "/-.: T") // digits without anything between them are two each
	for rest := format; rest != ""; {
		matched := false
		for _, p := range patterns() {
			if after, ok := strings.CutPrefix(rest, p[0]); ok {
				text := p[1]
				if packed && len(p[0]) == 2 && len(text) == 1 {
					text = "0" + text
				}
				out.WriteString(text)
				rest, matched = after, true
				break
			}
		}
		if matched {
			continue
		}
		c := rest[0]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' && c != 'T' && c != 'Z' || c >= '0' && c <= '9' {
			return "", fmt.Errorf("format %q has %q, which is none of yyyy yy MM MMM dd HH hh mm ss a XXX: write it like dd/MM/yyyy HH:mm:ss, or iso, unix, unix_ms", format, string(c))
		}
		out.WriteByte(c)
		rest = rest[1:]
	}
	if !strings.Contains(format, "yy") || !strings.Contains(format, "d") || !strings.Contains(format, "M") {
		return "", fmt.Errorf("format %q lacks year (yyyy), month (MM; mm is minutes) or day (dd): write it like dd/MM/yyyy HH:mm:ss, or iso, unix, unix_ms", format)
	}
	return out.String(), nil
}

// zone reads a zone: a name such as Asia/Ho_Chi_Minh, UTC, or an offset such as
// +07:00.
func zone(name string) (*time.Location, error) {
	if len(name) == 6 && (name[0] == '+' || name[0] == '-') {
		if t, err := time.Parse("-07:00", name); err == nil {
			_, offset := t.Zone()
			return time.FixedZone(name, offset), nil
		}
	}
	if name == "Local" || name == "" {
		return nil, fmt.Errorf("zone %q says nothing: write it like Asia/Ho_Chi_Minh, UTC or +07:00", name)
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("zone %q is not known: write it like Asia/Ho_Chi_Minh, UTC or +07:00", name)
	}
	return z, nil
}

// clock reads times of a format.
type clock struct {
	format, layout string
	zone           *time.Location
	shift          time.Duration
}

func newClock(format, zoneName string, shift time.Duration) (c clock, err error) {
	c = clock{format: format, shift: shift}
	if c.zone, err = zone(zoneName); err != nil {
		return c, err
	}
	switch format {
	case isoTime, unixTime, unixMillis:
	default:
		c.layout, err = layout(format)
	}
	return c, err
}

// errAmbiguous is a wall clock's time that came twice, when summer time ended.
var errAmbiguous = errors.New("the clock showed this time twice that day")

// read reads a time. With errAmbiguous it is the first of the two.
func (c clock) read(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	t, err := c.parse(s)
	for _, midnight := range []string{" 24:00", "T24:00", " 24.00"} { // an hour 24 is the next day's 0
		if day, rest, ok := strings.Cut(s, midnight); err != nil && ok {
			if t, err := c.parse(day + strings.Replace(midnight, "24", "00", 1) + rest); err == nil {
				return t.AddDate(0, 0, 1).Add(c.shift), nil
			}
		}
	}
	if err != nil {
		return t, err
	}
	if t.Year() < 1900 || t.Year() > 2200 {
		return t, fmt.Errorf("it would be the year %d", t.Year())
	}
	if c.layout != "" || c.format == isoTime && t.Location() == c.zone {
		_, here := t.Zone()
		if _, later := t.Add(time.Hour).Zone(); later < here {
			return t.Add(c.shift), errAmbiguous
		}
		if _, before := t.Add(-time.Hour).Zone(); before > here {
			return t.Add(c.shift - time.Hour), errAmbiguous
		}
	}
	return t.Add(c.shift), nil
}

func (c clock) parse(s string) (time.Time, error) {
	switch c.format {
	case unixTime, unixMillis:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v < -1e15 || v > 1e15 {
			return time.Time{}, errors.New("it is no number")
		}
		if c.format == unixTime {
			v *= 1000
		}
		return time.UnixMilli(int64(v)).UTC(), nil
	case isoTime:
		return c.iso(s)
	}
	return time.ParseInLocation(c.layout, s, c.zone)
}

// iso reads the forms of ISO 8601 that files have: with T or a space, with or
// without seconds and offset.
func (c clock) iso(s string) (time.Time, error) {
	s = strings.Replace(s, " UTC", "Z", 1)
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	for _, l := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(l, s); err == nil {
			return t, nil
		}
	}
	for _, l := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(l, s, c.zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("it is no time of ISO 8601")
}
