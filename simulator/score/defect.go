package score

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// Defect is what a pipeline seems to do wrong, in words.
type Defect struct {
	Class   DefectClass        `json:"class"`
	TextVI  string             `json:"text_vi"`
	TextEN  string             `json:"text_en"`
	Count   int64              `json:"count"`
	Devices []telemetry.Device `json:"devices,omitempty"`
}

// DefectClass names a kind of defect.
type DefectClass string

// The classes.
const (
	Shifted    DefectClass = "time_shift"     // a constant number of ms
	Jumbled    DefectClass = "time_changed"   // times are others, by no constant
	Rounded    DefectClass = "time_rounded"   // to whole seconds
	Swapped    DefectClass = "swapped"        // two metrics, one for the other
	Misnamed   DefectClass = "metric_renamed" // one metric under another's name
	Elsewhere  DefectClass = "device_renamed" // under another device
	OtherKind  DefectClass = "kind_renamed"
	OtherPlace DefectClass = "place_changed" // another locality or site
	Scaled     DefectClass = "scaled"        // a constant factor
	Offset     DefectClass = "offset"        // a constant difference
	Changed    DefectClass = "value_changed" // no constant at all
	Silent     DefectClass = "device_lost"   // nothing of a device
	Dropped    DefectClass = "metric_lost"   // one metric of a device
	Lossy      DefectClass = "lost"          // single messages
	Twice      DefectClass = "duplicated"
	Unasked    DefectClass = "unexpected"
	// Unquarantined messages should wait in quarantine and do not.
	Unquarantined DefectClass = "quarantine_missing"
)

// claim is a defect as one device shows it.
type claim struct {
	class DefectClass
	a, b  string
	shift int64 // ms
	x     float64
}

// claimed is a claim's evidence: how many of how many readings of which devices.
type claimed struct {
	claim
	n, of   int64
	devices []int
}

// claims are what a device shows, but for single losses.
func (r *result) claims(f func(c claim, n, of int64)) {
	if shifts := sum(r.shifts); shifts > 0 {
		ms, n := top(r.shifts, cmp.Compare[int64])
		far := func(ms int64) bool { return ms <= -1000 || ms >= 1000 }
		switch {
		case r.whole == shifts && !slices.ContainsFunc(slices.Collect(maps.Keys(r.shifts)), far):
			f(claim{class: Rounded}, shifts, r.readings)
		case 10*n >= 9*shifts:
			f(claim{class: Shifted, shift: ms}, shifts, r.readings)
		default:
			f(claim{class: Jumbled}, shifts, r.readings)
		}
	}
	for m, n := range r.moves {
		switch m.what {
		case "metric":
			back := r.moves[move{m.what, m.to, m.from}]
			if back == 0 {
				f(claim{class: Misnamed, a: m.from, b: m.to}, n, r.readings)
			} else if m.from < m.to {
				f(claim{class: Swapped, a: m.from, b: m.to}, max(n, back), r.readings)
			}
		case "device":
			f(claim{class: Elsewhere, b: m.to}, n, r.total().Expected)
		case "kind":
			f(claim{class: OtherKind, b: m.to}, n, r.total().Expected)
		default:
			f(claim{class: OtherPlace, a: m.what, b: m.to}, n, r.total().Expected)
		}
	}
	for m, w := range r.factors {
		switch {
		case w.n >= 3 && 10*w.same >= 9*w.n && math.Abs(w.ratio-1) > 1e-9:
			f(claim{class: Scaled, a: string(m), x: rounded(w.ratio)}, w.n, r.readings)
		case w.n >= 3 && 10*w.offset >= 9*w.n:
			f(claim{class: Offset, a: string(m), x: rounded(w.diff)}, w.n, r.readings)
		default:
			f(claim{class: Changed, a: string(m)}, w.n, r.readings)
		}
	}
	for m, n := range r.lostMetrics {
		f(claim{class: Dropped, a: string(m)}, n, r.readings)
	}
	if r.silent() {
		f(claim{class: Silent}, r.lostReadings, r.readings)
	}
	t := r.total()
	if t.Duplicated > 0 {
		f(claim{class: Twice}, t.Duplicated, t.Expected)
	}
	if t.Unexpected > 0 {
		f(claim{class: Unasked}, t.Unexpected, t.Expected)
	}
}

func (r *result) silent() bool { return r.lostReadings > 2 && r.lostReadings == r.readings }

func sum[K comparable](m map[K]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

func rounded(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 6-math.Ceil(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// defects names what is wrong, the largest first.
func (s *Scorer) defects() []Defect {
	byClaim := map[claim]*claimed{}
	all := s.results()
	for _, r := range all {
		r.claims(func(c claim, n, of int64) {
			if c.class == Unasked && s.elsewhere[s.fleet.Devices()[r.device].ID] > 0 {
				return // it is another device's, and told there
			}
			if byClaim[c] == nil {
				byClaim[c] = &claimed{claim: c}
			}
			k := byClaim[c]
			k.n, k.of, k.devices = k.n+n, k.of+of, append(k.devices, r.device)
		})
	}
	var out []Defect
	for _, k := range byClaim {
		out = append(out, s.defect(k))
	}
	if d, ok := s.losses(all); ok {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Defect) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.TextEN, b.TextEN)) })
	return out
}

// wording is what a sentence is about, in both languages.
type wording struct {
	whoVI, whoEN         string
	readingVI, readingEN string // "every reading of …", or "3 of 240 readings of …"
	valueVI, valueEN     string
	is, stands           string
}

// wording of a claim.
func (s *Scorer) wording(k *claimed) wording {
	var w wording
	w.whoVI, w.whoEN = s.whose(k.devices)
	if 100*k.n >= 99*k.of {
		w.readingVI, w.readingEN = "mọi bản ghi của "+w.whoVI, "every reading of "+w.whoEN
		w.valueVI, w.valueEN = "mọi giá trị của "+w.whoVI, "every value of "+w.whoEN
		w.is, w.stands = "is", "stands"
		return w
	}
	n, of := grouped(k.n), grouped(k.of)
	w.readingVI, w.readingEN = fmt.Sprintf("%s trên %s bản ghi của %s", n, of, w.whoVI), fmt.Sprintf("%s of %s readings of %s", n, of, w.whoEN)
	w.valueVI, w.valueEN = fmt.Sprintf("%s trên %s giá trị của %s", n, of, w.whoVI), fmt.Sprintf("%s of %s values of %s", n, of, w.whoEN)
	w.is, w.stands = "are", "stand"
	return w
}

// defect puts a claim into words.
func (s *Scorer) defect(k *claimed) Defect {
	d := Defect{Class: k.class, Count: k.n}
	for _, i := range k.devices[:min(len(k.devices), 20)] {
		d.Devices = append(d.Devices, s.fleet.Devices()[i].ID)
	}
	d.TextVI, d.TextEN = k.words(s.wording(k))
	return d
}

// words say a claim in Vietnamese and English.
func (k *claimed) words(w wording) (vi, en string) {
	both := func(formatVI, formatEN string, a ...any) (string, string) {
		return fmt.Sprintf(formatVI, a...), fmt.Sprintf(formatEN, a...)
	}
	switch k.class {
	case Shifted:
		if k.shift < 0 {
			return w.readingVI + " bị ghi sớm " + length(-k.shift), w.readingEN + " " + w.is + " " + length(-k.shift) + " early"
		}
		return w.readingVI + " bị ghi trễ " + length(k.shift), w.readingEN + " " + w.is + " " + length(k.shift) + " late"
	case Rounded:
		return w.readingVI + " bị làm tròn thời gian đến giây", w.readingEN + " " + w.is + " at a time that is rounded to whole seconds"
	case Jumbled:
		return w.readingVI + " đứng ở thời điểm khác, độ lệch không cố định", w.readingEN + " " + w.is + " at another time, by no constant shift"
	case Swapped:
		vi, en = both("%s và %s bị tráo cho nhau trong ", "%s and %s are swapped in ", k.a, k.b)
	case Misnamed:
		vi, en = both("%s nằm dưới tên %s trong ", "%s stands under the name %s in ", k.a, k.b)
	case Scaled:
		vi, en = both("%s gấp %s lần giá trị đúng trong ", "%s is %s times what was measured in ", k.a, number(k.x))
	case Offset:
		vi, en = both("%s lệch %+g so với giá trị đúng trong ", "%s is off by %+g in ", k.a, k.x)
	case Changed:
		vi, en = both("%s sai giá trị trong ", "%s has another value in ", k.a)
	case Dropped:
		return k.a + " bị mất trong " + w.readingVI + ", các đại lượng khác còn đủ", k.a + " is lost in " + w.readingEN + ", while other values are there"
	case Elsewhere:
		return w.valueVI + " nằm dưới thiết bị " + k.b, w.valueEN + " " + w.stands + " under the device " + k.b
	case OtherKind:
		return w.valueVI + " nằm dưới loại " + k.b, w.valueEN + " " + w.stands + " under the kind " + k.b
	case OtherPlace:
		names := map[string]string{"locality": "địa phương", "site": "điểm đo"}
		return w.valueVI + " nằm ở " + names[k.a] + " " + k.b, w.valueEN + " " + w.stands + " in the " + k.a + " " + k.b
	case Silent:
		return "không có gì của " + w.whoVI + " trong kho", "nothing of " + w.whoEN + " is in the store"
	case Twice:
		return grouped(k.n) + " giá trị của " + w.whoVI + " bị lặp", grouped(k.n) + " values of " + w.whoEN + " are there more than once"
	case Unasked:
		return grouped(k.n) + " giá trị của " + w.whoVI + " không có nguồn gốc", grouped(k.n) + " values of " + w.whoEN + " are there that nobody sent"
	}
	return vi + w.readingVI, en + w.readingEN
}

// whose says which devices: by name if it is one or few, by what they have in
// common if they are all of it.
func (s *Scorer) whose(devices []int) (vi, en string) {
	all := s.fleet.Devices()
	if len(devices) == 1 {
		id := string(all[devices[0]].ID)
		return id, id
	}
	has := make(map[int]bool, len(devices))
	for _, i := range devices {
		has[i] = true
	}
	first := &all[devices[0]]
	same := func(of func(d *simulator.Device) bool) bool {
		n := 0
		for i := range all {
			d := &all[i]
			if d.Format() != simulator.Native || !of(d) {
				continue
			}
			if !has[i] {
				return false
			}
			n++
		}
		return n == len(devices)
	}
	kindVI := strings.ToLower(first.Kind.NameVI)
	switch {
	case same(func(*simulator.Device) bool { return true }):
		return fmt.Sprintf("toàn bộ %d thiết bị", len(devices)), fmt.Sprintf("all %d devices", len(devices))
	case same(func(d *simulator.Device) bool { return d.Locality == first.Locality }):
		return fmt.Sprintf("toàn bộ %d thiết bị ở %s", len(devices), first.Locality), fmt.Sprintf("all %d devices of %s", len(devices), first.Locality)
	case same(func(d *simulator.Device) bool { return d.Kind.Kind == first.Kind.Kind }):
		return fmt.Sprintf("toàn bộ %d thiết bị %s", len(devices), kindVI), fmt.Sprintf("all %d devices of %s", len(devices), first.Kind.Kind)
	case same(func(d *simulator.Device) bool { return d.Locality == first.Locality && d.Kind.Kind == first.Kind.Kind }):
		return fmt.Sprintf("toàn bộ %d thiết bị %s ở %s", len(devices), kindVI, first.Locality), fmt.Sprintf("all %d devices of %s in %s", len(devices), first.Kind.Kind, first.Locality)
	}
	var names []string
	for _, i := range devices[:min(len(devices), 3)] {
		names = append(names, string(all[i].ID))
	}
	list := strings.Join(names, ", ")
	if len(devices) > 3 {
		list += " …"
	}
	return fmt.Sprintf("%d thiết bị (%s)", len(devices), list), fmt.Sprintf("%d devices (%s)", len(devices), list)
}

// losses names the pattern of messages of which nothing is there, but for those
// of devices of which nothing is there at all.
func (s *Scorer) losses(all []*result) (Defect, bool) {
	var n int64
	var first, last int64 = math.MaxInt64, math.MinInt64
	kinds, places, faults := map[string]int64{}, map[string]int64{}, map[string]int64{}
	d := Defect{Class: Lossy}
	for _, r := range all {
		if r.lostReadings == 0 || r.silent() {
			continue
		}
		device := &s.fleet.Devices()[r.device]
		n += r.lostReadings
		if len(d.Devices) < 20 {
			d.Devices = append(d.Devices, device.ID)
		}
		kinds[string(device.Kind.Kind)] += r.lostReadings
		places[string(device.Locality)] += r.lostReadings
		for _, l := range r.losses {
			first, last = min(first, l.due), max(last, l.due)
			faults[string(l.fault)]++
		}
	}
	if n == 0 {
		return d, false
	}
	d.Count = n
	in := func(dimension map[string]int64, of func(rowKey) string) string {
		if n < 5 || len(dimension) != 1 {
			return ""
		}
		name, _ := top(dimension, cmp.Compare[string])
		var part, whole int64
		for k, t := range s.rows {
			whole += t.Expected
			if of(k) == name {
				part += t.Expected
			}
		}
		if 10*part > 6*whole {
			return "" // it is most of the fleet anyway
		}
		return name
	}
	var vi, en []string
	if name := in(kinds, func(k rowKey) string { return string(k.kind) }); name != "" {
		vi, en = append(vi, "chỉ ở loại "+strings.ToLower(telemetry.NewCatalogue().Kind(telemetry.Kind(name)).NameVI)), append(en, "only of "+name)
	}
	if name := in(places, func(k rowKey) string { return string(k.locality) }); name != "" {
		vi, en = append(vi, "chỉ ở "+name), append(en, "only in "+name)
	}
	if name := in(faults, func(k rowKey) string { return string(k.fault) }); name != "" {
		vi, en = append(vi, "chỉ trong sự cố "+name), append(en, "only in the course of "+name)
	}
	if n >= 5 && 10*(last-first) < 3*s.o.To.Sub(s.o.From).Milliseconds() {
		a, b := shown(time.UnixMilli(first)), shown(time.UnixMilli(last))
		vi, en = append(vi, "từ "+a+" đến "+b), append(en, "from "+a+" to "+b)
	}
	if len(en) == 0 {
		vi, en = []string{"không theo quy luật nào về thời gian, nơi hay loại"}, []string{"no pattern in time, place or kind"}
	}
	total := max(s.readings, n)
	shareVI, shareEN := fmt.Sprintf("1 trên %s bản tin bị mất", grouped(rate(total, n))), fmt.Sprintf("1 in %s messages is lost", grouped(rate(total, n)))
	if 2*n > total {
		shareVI, shareEN = fmt.Sprintf("%d %% bản tin bị mất", 100*n/total), fmt.Sprintf("%d %% of messages are lost", 100*n/total)
	}
	d.TextVI = fmt.Sprintf("%s (%s trên %s), %s", shareVI, grouped(n), grouped(total), strings.Join(vi, ", "))
	d.TextEN = fmt.Sprintf("%s (%s of %s), %s", shareEN, grouped(n), grouped(total), strings.Join(en, ", "))
	return d, true
}

// rate is N of "1 in N", to two figures.
func rate(of, n int64) int64 {
	v := float64(of) / float64(n)
	if v < 100 {
		return int64(math.Round(v))
	}
	scale := math.Pow(10, math.Floor(math.Log10(v))-1)
	return int64(math.Round(v/scale) * scale)
}

// length of some milliseconds in words.
func length(ms int64) string {
	switch {
	case ms%3600_000 == 0:
		return fmt.Sprintf("%d h", ms/3600_000)
	case ms >= 600_000 && ms%60_000 == 0:
		return fmt.Sprintf("%d min", ms/60_000)
	case ms%1000 == 0:
		return fmt.Sprintf("%d s", ms/1000)
	}
	return fmt.Sprintf("%.3f s", float64(ms)/1000)
}

// grouped writes a number with a space between thousands, which no language takes
// for a decimal mark.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
