package city

// exposure is how much of what happens in a city reaches a setting. 1 is usual;
// all are assumptions [M].
type exposure struct {
	rain float64
	wind float64
	// height above the sea in m, and how much warmer nights are than in the open.
	height, nightWarmth float64
	// diurnal scales how far apart day and night are.
	diurnal float64
	// vehicles an hour at the busiest, and their kinds' shares.
	vehicles float64
	mix      vehicleMix
	// lanes in the direction measured, and the speed on an empty road in km/h.
	lanes, freeSpeed float64
	// tourism is the share of the traffic and life that guests make, market that
	// of trade in the morning, nightLife how loud evenings are.
	tourism, market, nightLife float64
	// industry, port and landfill add their own to the air.
	industry, landfill float64
	// background of noise at night in dBA.
	quiet float64
	// people scales waste and load.
	people float64
	// spaces of a car park.
	spaces float64
}

// vehicleMix are shares of motorcycles, cars, buses, trucks and bicycles.
type vehicleMix [5]float64

func (s Setting) exposure() exposure {
	street := vehicleMix{0.80, 0.135, 0.010, 0.025, 0.030}
	national := vehicleMix{0.55, 0.24, 0.05, 0.15, 0.01}
	e := exposure{
		rain: 1, wind: 0.8, height: 5, nightWarmth: 0, diurnal: 1, vehicles: 500, mix: street, lanes: 1, freeSpeed: 40,
		tourism: 0.1, market: 0.1, nightLife: 0.2, quiet: 42, people: 0.7, spaces: 60,
	}
	switch s {
	case Centre:
		e.wind, e.nightWarmth, e.vehicles, e.lanes, e.freeSpeed = 0.75, 0.5, 2600, 2, 42
		e.tourism, e.nightLife, e.quiet, e.people, e.spaces = 0.3, 0.9, 48, 1.2, 150
	case Residential:
		e.wind, e.nightWarmth, e.vehicles, e.freeSpeed, e.people = 0.7, 0.3, 700, 35, 1
	case Market:
		e.wind, e.nightWarmth, e.vehicles, e.lanes, e.freeSpeed = 0.65, 0.4, 1700, 2, 32
		e.tourism, e.market, e.nightLife, e.quiet, e.people, e.spaces = 0.15, 1, 0.4, 46, 1.5, 110
	case Beach:
		e.wind, e.diurnal, e.vehicles, e.lanes, e.freeSpeed = 1.2, 0.85, 1500, 2, 45
		e.tourism, e.nightLife, e.quiet, e.people, e.spaces = 0.75, 0.8, 50, 1.1, 180
	case Road:
		e.nightWarmth, e.vehicles, e.lanes, e.freeSpeed, e.quiet = 0.3, 2900, 2, 48, 47
		e.tourism = 0.15
	case Highway:
		e.wind, e.vehicles, e.mix, e.lanes, e.freeSpeed, e.quiet = 1, 1500, national, 2, 72, 48
		e.tourism, e.nightLife = 0.2, 0
	case Industrial:
		e.vehicles, e.mix, e.industry, e.quiet, e.people = 700, vehicleMix{0.62, 0.13, 0.04, 0.20, 0.01}, 1, 52, 1
		e.tourism, e.nightLife, e.freeSpeed, e.lanes = 0, 0, 50, 2
	case Port:
		e.wind, e.vehicles, e.mix, e.industry, e.quiet = 1.2, 600, vehicleMix{0.55, 0.12, 0.02, 0.30, 0.01}, 0.5, 50
		e.diurnal, e.tourism = 0.85, 0.1
	case Airport:
		e.wind, e.vehicles, e.mix, e.lanes, e.freeSpeed = 1.25, 900, vehicleMix{0.25, 0.58, 0.14, 0.025, 0.005}, 2, 60
		e.tourism, e.nightLife, e.quiet, e.spaces = 0.9, 0, 48, 320
	case River, Estuary:
		e.wind, e.vehicles, e.quiet = 0.9, 250, 40
	case Lagoon, Aquaculture:
		e.wind, e.vehicles, e.quiet, e.diurnal, e.people = 1.15, 150, 38, 0.85, 0.4
	case Reservoir:
		e.wind, e.vehicles, e.quiet, e.people, e.height = 0.9, 60, 36, 0.2, 45
	case Sea:
		e.wind, e.vehicles, e.quiet, e.diurnal, e.people = 1.4, 200, 44, 0.65, 0.4
		e.tourism = 0.6
	case Landfill:
		e.vehicles, e.mix, e.landfill, e.quiet, e.height = 160, vehicleMix{0.4, 0.08, 0.01, 0.5, 0.01}, 1, 44, 30
		e.tourism, e.nightLife = 0, 0
	case Mountain:
		e.rain, e.wind, e.height, e.diurnal, e.vehicles, e.quiet, e.people = 1.6, 1.5, 1000, 0.75, 30, 34, 0.1
		e.tourism, e.nightLife = 0.6, 0
	case Rural:
		e.vehicles, e.quiet, e.diurnal, e.people, e.height = 220, 38, 1.08, 0.5, 20
		e.nightLife = 0.05
	}
	return e
}
