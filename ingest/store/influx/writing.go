package influx

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// writing is one call of Write.
type writing struct {
	store   *Store
	points  []telemetry.Point
	encoder lineprotocol.Encoder
	// bad marks the points that are not sent; nil while there are none.
	bad        []bool
	rejections []store.Rejection
	// sent counts the values that were sent, refused those of them that the server
	// refused.
	sent, refused int
}

// unit is one value of one point, the least that can be refused.
type unit struct{ point, value int }

func (w *writing) reject(point int, metric telemetry.Metric, detail string) {
	w.rejections = append(w.rejections, store.Rejection{Point: point, Metric: metric, Detail: detail})
}

// check rejects what must not be sent: no server could take it, or one would
// drop it without a word.
func (w *writing) check() {
	// Line protocol counts nanoseconds in 64 bits.
	oldest, latest := time.Unix(0, math.MinInt64/2), time.Unix(0, math.MaxInt64)
	if r := w.store.options.Retention; r > 0 {
		oldest = w.store.options.Now().Add(-r)
	}
	for i := range w.points {
		p := &w.points[i]
		if detail := checkPoint(p, oldest, latest); detail != "" {
			if w.bad == nil {
				w.bad = make([]bool, len(w.points))
			}
			w.bad[i] = true
			w.reject(i, "", detail)
			continue
		}
		for j := range p.Values {
			if v := &p.Values[j]; !isFinite(v.Number) {
				w.reject(i, v.Spec.Name, "the value is not a finite number")
			}
		}
	}
}

func checkPoint(p *telemetry.Point, oldest, latest time.Time) string {
	if err := store.CheckSeries(p.Series); err != nil {
		return err.Error()
	}
	if p.Time.Before(oldest) || p.Time.After(latest) {
		return fmt.Sprintf("its time %s is outside what is kept, %s to %s", p.Time.UTC().Format(time.RFC3339),
			oldest.UTC().Format(time.RFC3339), latest.UTC().Format(time.RFC3339))
	}
	for j := range p.Values {
		if p.Values[j].Spec == nil {
			return "a value has no metric"
		}
	}
	return ""
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// encode makes the body for the points from begin up to end, as many as a body
// may hold. It is empty if there is nothing to send.
func (w *writing) encode(begin int) (body string, end int) {
	w.reset()
	for end = begin; end < len(w.points); end++ {
		if int64(len(w.encoder.Bytes())) >= w.store.maxBody.Load() {
			break
		}
		if w.bad != nil && w.bad[end] {
			continue
		}
		w.encodeLine(end, nil)
	}
	return string(w.encoder.Bytes()), end
}

func (w *writing) reset() {
	w.encoder.Reset()
	w.encoder.SetPrecision(lineprotocol.Millisecond)
	// CheckSeries has been stricter already.
	w.encoder.SetLax(true)
}

// encodeLine adds a line with the point's values, or only with those of units.
func (w *writing) encodeLine(point int, units []unit) {
	p := &w.points[point]
	started := false
	field := func(v *telemetry.Value) {
		number, finite := lineprotocol.FloatValue(v.Number)
		if !finite {
			return
		}
		if !started {
			started = true
			w.encoder.StartLine(string(p.Series.Kind))
			w.encoder.AddTag("device", string(p.Series.Device))
			w.encoder.AddTag("locality", string(p.Series.Locality))
			w.encoder.AddTag("site", string(p.Series.Site))
		}
		w.encoder.AddField(string(v.Spec.Name), number)
	}
	if units == nil {
		for j := range p.Values {
			field(&p.Values[j])
		}
	}
	for _, u := range units {
		field(&p.Values[u.value])
	}
	if started {
		w.encoder.EndLine(p.Time)
	}
}

// units lists what was sent of the points from begin up to end.
func (w *writing) units(begin, end int) []unit {
	var units []unit
	for i := begin; i < end; i++ {
		if w.bad != nil && w.bad[i] {
			continue
		}
		for j := range w.points[i].Values {
			if isFinite(w.points[i].Values[j].Number) {
				units = append(units, unit{i, j})
			}
		}
	}
	return units
}

// encodeUnits makes the body for units, which are in order of their points, and
// counts its lines.
func (w *writing) encodeUnits(units []unit) (body string, lines int) {
	w.reset()
	for len(units) > 0 {
		n := 1
		for n < len(units) && units[n].point == units[0].point {
			n++
		}
		w.encodeLine(units[0].point, units[:n])
		units = units[n:]
		lines++
	}
	return string(w.encoder.Bytes()), lines
}

// isolate finds which of the units, refused together, are to blame, and has all
// others written.
func (w *writing) isolate(ctx context.Context, units []unit, r *refusal) error {
	if w.blameAll(units, r) {
		return nil
	}
	if len(r.lines) > 0 {
		if rest := w.blameLines(units, r); len(rest) < len(units) {
			return w.resend(ctx, rest)
		}
	}
	for _, part := range w.divide(units, r) {
		if err := w.resend(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// resend sends some of the units again, and isolates what is refused of them.
func (w *writing) resend(ctx context.Context, units []unit) error {
	if len(units) == 0 {
		return nil
	}
	body, _ := w.encodeUnits(units)
	refusal, err := w.store.send(ctx, body)
	if err == nil && refusal != nil {
		err = w.isolate(ctx, units, refusal)
	}
	return err
}

// blameLines rejects what InfluxDB 3 names: a line that has one value, or the
// value of the column it names. It returns the others.
func (w *writing) blameLines(units []unit, r *refusal) (rest []unit) {
	messages := make(map[int]string, len(r.lines))
	for _, l := range r.lines {
		messages[l.Number] = l.Message
	}
	line := 0
	for len(units) > 0 {
		n := 1
		for n < len(units) && units[n].point == units[0].point {
			n++
		}
		line++
		message, named := messages[line]
		for _, u := range units[:n] {
			metric := w.points[u.point].Values[u.value].Spec.Name
			if named && (n == 1 || quotedAfter(message, "for column ", '\'') == string(metric)) {
				w.refuse(u, r.detail+": "+message)
				continue
			}
			rest = append(rest, u)
		}
		units = units[n:]
	}
	return rest
}

// refuse rejects a value that the server refused.
func (w *writing) refuse(u unit, detail string) {
	w.refused++
	w.reject(u.point, w.points[u.point].Values[u.value].Spec.Name, detail)
}

// blameAll rejects all of the units where it is clear that all are to blame.
func (w *writing) blameAll(units []unit, r *refusal) bool {
	lines := 1
	for i := 1; i < len(units); i++ {
		if units[i].point != units[i-1].point {
			lines++
		}
	}
	none := r.dropped == lines // not one line was written
	if r.beyondRetention && (none || lines == 1) {
		w.refused += len(units)
		for i, u := range units {
			if i == 0 || units[i-1].point != u.point {
				w.reject(u.point, "", r.detail)
			}
		}
		return true
	}
	if len(units) > 1 && (!none || lines < len(units)) {
		return false
	}
	// One value, or one value in each line and no line written.
	for _, u := range units {
		w.refuse(u, r.detail)
	}
	return true
}

// divide makes two parts of the units: those of the field that the server named
// and the others, else the first half of the points and the second, else of the
// values.
func (w *writing) divide(units []unit, r *refusal) [2][]unit {
	if r.metric != "" {
		var named, others []unit
		for _, u := range units {
			p := &w.points[u.point]
			if string(p.Values[u.value].Spec.Name) == r.metric && string(p.Series.Kind) == r.kind {
				named = append(named, u)
			} else {
				others = append(others, u)
			}
		}
		if len(named) > 0 && len(others) > 0 {
			return [2][]unit{named, others}
		}
	}
	half := len(units) / 2
	if units[0].point == units[len(units)-1].point {
		return [2][]unit{units[:half], units[half:]}
	}
	// A point is not torn apart before it is alone.
	for half > 0 && units[half].point == units[half-1].point {
		half--
	}
	if half == 0 {
		for half = 1; units[half].point == units[half-1].point; {
			half++
		}
	}
	return [2][]unit{units[:half], units[half:]}
}
