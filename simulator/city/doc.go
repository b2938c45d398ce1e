// Package city knows what is true in a simulated Khánh Hòa at any time.
//
// A [City] is made of a seed and of [Event]s. Each of its [Signal]s is a pure
// function of time: any moment of any year can be asked for directly, in any
// order, by any number of goroutines, and the answer is always the same (bit for
// bit on machines of one architecture; another may round a cosine differently).
// There are no devices here and no instrument's noise: that is the simulator's.
//
// The signals depend on each other as in reality:
//
//	sun ─► temperature, humidity, sea breeze ─► wind ─┐
//	season ─► clouds, rain ─► rivers ─► river mouths ◄── tide
//	calendar ─► traffic ─► exhaust, thinned by wind ◄─┘, washed out by rain ─► NO2 + sun ─► O3
//	traffic, evenings, markets, surf ─► noise      dusk ─► lamps      warmth, Tết ─► load
//	rain, tide, sun, warmth ─► water quality       guests, weekends ─► car parks, waste
//
// # Sources
//
// Rain, mean highs and lows: Nha Trang's normals of 1937–1994. Tide: harmonic
// constituents of Quy Nhơn (TICON-4, UHSLC 2007–2025, CC-BY-4.0), Schureman's
// arguments, Meeus' mean longitudes, with corrections for the moon's node. The
// flood of November 2025: levels at Đồng Trăng, Ninh Hòa, Diên Phú and Dục Mỹ as
// told by VNDMS and the press; between those it is interpolated. Sun:
// the Astronomical Almanac's low-precision formulas; clear sky by Haurwitz; UV by
// Madronich. Lunar holidays: a table of 2020–2035, which a test compares with the
// moon; in other years there is no Tết. Travel time: Bureau of Public Roads.
//
// # Assumptions
//
// Marked [M] in the code, and not to be presented as facts: wet days, humidity,
// clouds, the monsoon's speed and the dust it brings; how settings differ
// ([Setting], exposure.go, waterBody); how rivers other than in that flood answer
// to rain; discharges; lagoons' and reservoirs' courses; volumes of traffic; the
// shapes of days (profiles); hours in which the flood's knots are not listed. Nha
// Trang's normals serve for all localities. Levels are above each station's own
// datum and do not compare between stations; the sea's zero is its lowest
// astronomical tide.
//
// # Limits
//
// A lamp never fails and a bin never burns here; such things are faults, and the
// simulator's. The open sea and ponds have no discharge, so their water level has
// no flow. Within a [Flood] the season's own rain is replaced by the flood's, so
// that levels are the recorded ones whatever the seed.
package city
