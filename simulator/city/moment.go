package city

import (
	"sync/atomic"
	"time"
)

// Milliseconds of the usual periods.
const (
	second = 1000
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// zone is Asia/Ho_Chi_Minh's distance from UTC, which has known no summer time
// since 1975. Plain arithmetic on it is much cheaper than a time.Location.
const zone = 7 * hour

// moment is a time with what the signals ask of it.
type moment struct {
	ms int64 // Unix
	// date is the number of the local day since 1970-01-01, hour the local time
	// of day, from 0 up to 24.
	date int64
	hour float64
}

func momentOf(ms int64) moment {
	local := ms + zone
	d := floorDiv(local, day)
	return moment{ms: ms, date: d, hour: float64(local-d*day) / hour}
}

// hours is the local time in hours since 1970.
func (m moment) hours() float64 { return float64(m.date)*24 + m.hour }

// weekday of a local day is 0 on Sunday.
func weekday(date int64) int { return int(date + 4 - 7*floorDiv(date+4, 7)) }

// civil is a date of the calendar.
type civil struct {
	year       int
	month, dom int // from 1
}

// civilOf is the date of a local day (H. Hinnant's algorithm for the proleptic
// Gregorian calendar).
func civilOf(date int64) civil {
	z := date + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	c := civil{year: int(yoe + era*400), dom: int(doy - (153*mp+2)/5 + 1), month: int(mp + 3)}
	if c.month > 12 {
		c.month -= 12
		c.year++
	}
	return c
}

// dateOf is the local day of a date.
func dateOf(year, month, dom int) int64 {
	return floorDiv(time.Date(year, time.Month(month), dom, 0, 0, 0, 0, time.UTC).UnixMilli(), day)
}

// days is how many days the month has.
func (c civil) days() float64 {
	switch c.month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if c.year%4 == 0 && (c.year%100 != 0 || c.year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// monthly is a quantity's normal for each month.
type monthly [12]float64

// season is a place in the year between two months' middles.
type season struct {
	a, b int // months from 0
	f    float64
}

func (m moment) season() season {
	c := civilOf(m.date)
	f := (float64(c.dom-1)+m.hour/24)/c.days() - 0.5
	if f < 0 {
		return season{(c.month + 10) % 12, c.month - 1, f + 1}
	}
	return season{c.month - 1, c.month % 12, f}
}

// at is the normal of a time of the year, straight between the months' middles.
func (n *monthly) at(s season) float64 { return n[s.a] + (n[s.b]-n[s.a])*s.f }

// profile is a quantity's course over a day: its level at each full hour,
// straight between them. Unlike a cosine it can have two rush hours, and its
// integral is exact, so that meters can be asked for at any time.
type profile [24]float64

func (p *profile) at(hour float64) float64 {
	i := int(hour)
	f := hour - float64(i)
	return p[i%24] + (p[(i+1)%24]-p[i%24])*f
}

// until is the integral from midnight to the hour, in level × hours.
func (p *profile) until(hour float64) float64 {
	sum, i := 0.0, int(hour)
	for h := range i {
		sum += (p[h] + p[(h+1)%24]) / 2
	}
	return sum + (p[i%24]+p.at(hour))/2*(hour-float64(i))
}

// memo keeps the last answer of a pure function, for the metrics of one message
// all ask for the same moment. It is safe for concurrent use and never changes an
// answer: whoever finds another moment in it computes anew.
type memo[T any] struct {
	last atomic.Pointer[remembered[T]]
}

type remembered[T any] struct {
	key   int64
	value T
}

func (m *memo[T]) at(key int64, of func(int64) T) *T {
	if r := m.last.Load(); r != nil && r.key == key {
		return &r.value
	}
	r := &remembered[T]{key, of(key)}
	m.last.Store(r)
	return &r.value
}

// Signal is the truth about one metric at one place: a pure function of time.
// Any moment of any year can be asked for directly, from any goroutine.
type Signal interface {
	At(t time.Time) float64
}
