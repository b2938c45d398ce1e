package city

import "github.com/haidang-iot/haidang/ingest/telemetry"

// calendar knows the days on which a Vietnamese city is not itself.
type calendar struct {
	first int     // year of the tables
	tet   []int64 // local days of the first day of the lunar year
	hung  []int64 // Hùng Kings' commemoration, the 10th of the 3rd lunar month
	guest monthly // guests by month
}

// newCalendar is the table of lunar holidays. They are Vietnam's, reckoned at
// UTC+7: in 2030 Tết is a day before the Chinese new year.
func newCalendar() *calendar {
	c := &calendar{first: 2020, guest: monthly{0.95, 1.0, 0.95, 1.05, 1.05, 1.2, 1.3, 1.15, 0.85, 0.75, 0.7, 0.85}}
	for i, d := range [][4]int{
		{1, 25, 4, 2}, {2, 12, 4, 21}, {2, 1, 4, 10}, {1, 22, 4, 29}, {2, 10, 4, 18}, {1, 29, 4, 7}, {2, 17, 4, 26}, {2, 6, 4, 16},
		{1, 26, 4, 4}, {2, 13, 4, 23}, {2, 2, 4, 12}, {1, 23, 4, 1}, {2, 11, 4, 19}, {1, 31, 4, 9}, {2, 19, 4, 28}, {2, 8, 4, 17},
	} {
		c.tet = append(c.tet, dateOf(c.first+i, d[0], d[1]))
		c.hung = append(c.hung, dateOf(c.first+i, d[2], d[3]))
	}
	return c
}

// mood is what a day is like, each 1 on an ordinary working day.
type mood struct {
	work    float64 // going to work and school
	leisure float64 // guests and going out
	travel  float64 // on the national roads
	trade   float64 // markets
	waste   float64
	load    float64 // electricity, at offices and factories
	closed  bool    // no waste is collected
}

// mood of a local day in a locality.
func (c *City) mood(date int64, l telemetry.Locality) mood {
	d := civilOf(date)
	m := mood{1, 1, 1, 1, 1, 1, false}
	switch weekday(date) {
	case 6:
		m = mood{0.75, 1.3, 1.15, 1.1, 1.1, 0.85, false}
	case 0:
		m = mood{0.42, 1.4, 1.2, 1.2, 1.2, 0.7, false}
	case 5:
		m.travel, m.leisure = 1.15, 1.15
	}
	if c.calendar.free(date, d) {
		m = mood{0.35, 1.75, 1.45, 1.1, 1.3, 0.65, false}
	}
	m.tet(c.calendar.sinceTet(date, d.year))
	for _, s := range c.storms {
		noon := float64(date)*24 + 12
		if s.Kind == Holiday && noon > s.from && noon < s.to && s.concerns(l) {
			m.leisure += 0.6 * s.Strength
			m.travel += 0.25 * s.Strength
			m.waste += 0.2 * s.Strength
			m.work = max(0.2, m.work*(1-0.3*s.Strength))
			m.load = max(0.5, m.load*(1-0.12*s.Strength))
		}
	}
	m.leisure *= c.calendar.guest[d.month-1]
	return m
}

// free reports whether a day is a public holiday besides Tết: New Year, Hùng
// Kings, 30 April, 1 May, 2 September and the day before it.
func (c *calendar) free(date int64, d civil) bool {
	switch d.month*100 + d.dom {
	case 101, 430, 501, 901, 902:
		return true
	}
	i := d.year - c.first
	return i >= 0 && i < len(c.hung) && c.hung[i] == date
}

// sinceTet is how many days after the lunar new year's first day it is; before
// it, negative. Outside the table it is far from it.
func (c *calendar) sinceTet(date int64, year int) int {
	i := year - c.first
	if i < 0 || i >= len(c.tet) {
		return 999
	}
	return int(date - c.tet[i])
}

// tet changes the mood around the lunar new year: two weeks of errands, the
// journey home, three quiet days, a week of visits and beaches, the journey back.
func (m *mood) tet(since int) {
	switch {
	case since < -14 || since > 9:
	case since < -7:
		m.trade, m.leisure, m.travel, m.waste = m.trade*1.25, m.leisure*1.1, m.travel*1.15, m.waste*1.1
	case since < -1:
		m.trade, m.leisure, m.travel, m.waste = m.trade*1.6, m.leisure*1.2, m.travel*1.55, m.waste*1.35
		m.work *= 0.9
	case since == -1: // giao thừa
		*m = mood{work: 0.45, leisure: 1.3, travel: 1.2, trade: 1.5, waste: 1.6, load: 0.6}
	case since == 0:
		*m = mood{work: 0.12, leisure: 1.0, travel: 0.6, trade: 0.15, waste: 0.9, load: 0.45, closed: true}
	case since <= 2:
		*m = mood{work: 0.18, leisure: 1.6, travel: 1.1, trade: 0.4, waste: 1.2, load: 0.48}
	case since <= 5:
		*m = mood{work: 0.3, leisure: 1.9, travel: 1.5, trade: 0.7, waste: 1.3, load: 0.55}
	default:
		m.work, m.travel, m.load, m.leisure = m.work*0.85, m.travel*1.4, m.load*0.85, m.leisure*1.2
	}
}
