package devices

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Position is a place on the earth in WGS 84. A position of 0, 0 is one that is
// not known: it lies in the sea off Africa and is what forms and phones send for
// nothing.
type Position struct {
	// Lat and Lon are in degrees, north and east positive.
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
	// Accuracy is the radius in metres within which the true place lies; 0 is
	// not known.
	Accuracy float64 `json:"accuracy,omitempty"`
	// OutsideReason is why a position outside the province is right.
	OutsideReason string `json:"outsideReason,omitempty"`
}

// Known reports whether there is a position.
func (p Position) Known() bool { return p.Lat != 0 || p.Lon != 0 }

// String gives latitude and longitude to 6 digits (0.1 m), as [ParsePosition]
// reads them.
func (p Position) String() string {
	return strconv.FormatFloat(math.Round(p.Lat*1e6)/1e6, 'f', -1, 64) + ", " + strconv.FormatFloat(math.Round(p.Lon*1e6)/1e6, 'f', -1, 64)
}

// Box is a rectangle of longitudes and latitudes in degrees, its borders part of
// it.
type Box struct {
	West  float64 `json:"west"`
	South float64 `json:"south"`
	East  float64 `json:"east"`
	North float64 `json:"north"`
}

// Holds reports whether a position is in the box.
func (b Box) Holds(p Position) bool {
	return b.West <= p.Lon && p.Lon <= b.East && b.South <= p.Lat && p.Lat <= b.North
}

// with is the box that has both; an empty one has nothing.
func (b Box) with(o Box) Box {
	switch {
	case o == Box{}:
		return b
	case b == Box{}:
		return o
	}
	return Box{West: min(b.West, o.West), South: min(b.South, o.South), East: max(b.East, o.East), North: max(b.North, o.North)}
}

// centre is its middle.
func (b Box) centre() Position {
	return Position{Lat: (b.South + b.North) / 2, Lon: (b.West + b.East) / 2}
}

// DefaultProvince bounds the mainland and near islands of Khánh Hòa as it is since
// 2025-07-01, rounded outwards by hand from maps: good for finding slips, not a
// boundary. The special zone of Trường Sa lies outside and needs a reason.
func DefaultProvince() Box { return Box{West: 108.5, South: 11.3, East: 109.5, North: 12.9} }

// check says what is wrong with a position in a province.
func (p Position) check(province Box) *Error {
	switch {
	case !p.Known():
		return nil
	case math.IsNaN(p.Lat) || math.IsNaN(p.Lon) || math.IsInf(p.Lat, 0) || math.IsInf(p.Lon, 0):
		return invalid("position", ReasonBadCoordinates, fmt.Sprintf("%v, %v", p.Lat, p.Lon))
	case province.Holds(p):
		return nil
	}
	if other := (Position{Lat: p.Lon, Lon: p.Lat}); province.Holds(other) {
		e := invalid("position", ReasonSwapped, other.String())
		e.Suggestion = other.String()
		return e
	}
	if math.Abs(p.Lat) > 90 {
		return invalid("position.lat", ReasonBadNumber, p.Lat, -90, 90)
	}
	if math.Abs(p.Lon) > 180 {
		return invalid("position.lon", ReasonBadNumber, p.Lon, -180, 180)
	}
	if p.OutsideReason == "" {
		return invalid("position", ReasonOutside, p.String())
	}
	return nil
}

// Distance is how far two positions are apart in metres, on a sphere: some 0.5 %
// off at worst.
func Distance(a, b Position) float64 {
	const radius, rad = 6371008.8, math.Pi / 180
	sinLat, sinLon := math.Sin((b.Lat-a.Lat)*rad/2), math.Sin((b.Lon-a.Lon)*rad/2)
	h := sinLat*sinLat + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*sinLon*sinLon
	return 2 * radius * math.Asin(math.Min(1, math.Sqrt(h)))
}

// around is a box that holds every position within metres of p.
func around(p Position, metres float64) Box {
	const perDegree = 110574 // metres in the shortest degree of latitude
	dLat := metres / perDegree
	dLon := 360.0
	if c := math.Cos((math.Abs(p.Lat) + dLat) * math.Pi / 180); c > 0.01 {
		dLon = dLat / c
	}
	return Box{West: p.Lon - dLon, South: p.Lat - dLat, East: p.Lon + dLon, North: p.Lat + dLat}
}

// ParsePosition reads coordinates as people paste them: decimal degrees with
// points or commas ("12.2389, 109.1967", "12,2389; 109,1967"), degrees, minutes
// and seconds with English or Vietnamese letters (`12°14'20"N 109°11'48"E`,
// `12°14'20"B 109°11'48"Đ`), and geo: URIs. It reads and does not judge: whether
// the place makes sense is for [Site.Validate]. The error is an [Error] of
// ReasonBadCoordinates.
func ParsePosition(s string) (Position, error) {
	text := strings.TrimSpace(s)
	text = strings.TrimPrefix(text, "geo:")
	text, _, _ = strings.Cut(text, "?")
	var p Position
	var ok bool
	if strings.ContainsAny(text, "°º'′\"″") || strings.ContainsAny(strings.ToUpper(text), "NSEWBĐT") {
		p, ok = parseSexagesimal(text)
	} else {
		p, ok = parseDecimal(text)
	}
	if !ok || math.Abs(p.Lat) > 180 || math.Abs(p.Lon) > 180 {
		return Position{}, invalid("position", ReasonBadCoordinates, clip(s, 60))
	}
	return p, nil
}

// parseDecimal reads two numbers. A comma may be the decimal sign or stand
// between them; the number of commas and the other separators tell.
func parseDecimal(s string) (Position, bool) {
	var parts []string
	switch {
	case strings.Contains(s, ";"):
		parts = strings.Split(s, ";")
	case strings.Contains(s, "."):
		parts = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	case strings.Count(s, ",") == 3: // 12,2389,109,1967
		at := strings.Index(s, ",")
		at += 1 + strings.Index(s[at+1:], ",")
		parts = []string{s[:at], s[at+1:]}
	case len(strings.Fields(s)) == 2:
		parts = strings.Fields(s)
		parts[0] = strings.TrimSuffix(parts[0], ",")
	default: // 12,109
		parts = strings.Split(s, ",")
	}
	if len(parts) != 2 {
		return Position{}, false
	}
	lat, ok1 := parseNumber(parts[0])
	lon, ok2 := parseNumber(parts[1])
	return Position{Lat: lat, Lon: lon}, ok1 && ok2
}

// parseNumber takes digits, one sign and one decimal point or comma, and none of
// what strconv takes besides (hexadecimal, exponents, underscores, Inf).
func parseNumber(s string) (float64, bool) {
	s = strings.Replace(strings.TrimSpace(s), ",", ".", 1)
	if s == "" || len(s) > 32 || strings.Trim(s, "+-.0123456789") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// parseSexagesimal reads two angles, each ending in the letter of its direction.
func parseSexagesimal(s string) (Position, bool) {
	upper := strings.ToUpper(s)
	// In Vietnamese N is Nam, south; in English it is north. The other letters
	// tell the languages apart.
	vietnamese := strings.ContainsAny(upper, "BĐT")
	var p Position
	var haveLat, haveLon bool
	start := 0
	for i, r := range upper {
		if !strings.ContainsRune("NSEWBĐT", r) {
			continue
		}
		v, ok := parseAngle(upper[start:i])
		start = i + len(string(r))
		if !ok {
			return Position{}, false
		}
		if r == 'S' || r == 'W' || r == 'T' || r == 'N' && vietnamese {
			v = -v
		}
		if strings.ContainsRune("NSB", r) {
			if haveLat {
				return Position{}, false
			}
			p.Lat, haveLat = v, true
		} else {
			if haveLon {
				return Position{}, false
			}
			p.Lon, haveLon = v, true
		}
	}
	return p, haveLat && haveLon && strings.TrimSpace(upper[start:]) == ""
}

// parseAngle reads degrees and, if there, minutes and seconds.
func parseAngle(s string) (float64, bool) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("°º'′\"″ \t", r) })
	if len(parts) > 0 && strings.Trim(parts[0], ",;") == "" { // the comma between the two angles
		parts = parts[1:]
	}
	if len(parts) == 0 || len(parts) > 3 {
		return 0, false
	}
	parts[0] = strings.TrimLeft(parts[0], ",;")
	var angle float64
	for i, unit := 0, 1.0; i < len(parts); i, unit = i+1, unit/60 {
		v, ok := parseNumber(parts[i])
		if !ok || v < 0 || i > 0 && v >= 60 {
			return 0, false
		}
		angle += v * unit
	}
	return angle, true
}

// clip shortens text for a message.
func clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return s
}
