package city

import (
	"math"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// perHour adds a place's vehicles up by hour of day over some days.
func perHour(t testing.TB, c *City, site telemetry.Site, metric telemetry.Metric, from time.Time, days int, want func(time.Time) bool) (byHour [24]float64, n float64) {
	s := signals(t, c, site, telemetry.Traffic, time.Hour)
	for d := range days {
		date := from.AddDate(0, 0, d)
		if !want(date) {
			continue
		}
		n++
		for h := range 24 {
			byHour[h] += s[metric].At(date.Add(time.Duration(h+1) * time.Hour))
		}
	}
	for h := range byHour {
		byHour[h] /= n
	}
	return byHour, n
}

func working(d time.Time) bool { return d.Weekday() >= time.Monday && d.Weekday() <= time.Thursday }

func total(byHour [24]float64) (sum float64) {
	for _, v := range byHour {
		sum += v
	}
	return sum
}

func TestTrafficHasItsDay(t *testing.T) {
	c, march := New(1), local(2024, 3, 4, 0, 0)
	road, _ := perHour(t, c, "ma-vong", telemetry.Vehicles, march, 42, working)
	morning, evening := 0, 12
	for h := range 24 {
		if h < 12 && road[h] > road[morning] {
			morning = h
		}
		if h >= 12 && road[h] > road[evening] {
			evening = h
		}
	}
	between(t, "the morning's rush hour", float64(morning), 6, 7)
	between(t, "the evening's rush hour", float64(evening), 16, 17)
	siesta, night := road[13], (road[1]+road[2]+road[3])/3
	if !(siesta < 0.75*road[morning] && siesta < 0.75*road[evening] && night < 0.1*road[morning]) {
		t.Errorf("vehicles by hour: %.0f: there should be a siesta and a quiet night", road)
	}
	motorcycles, _ := perHour(t, c, "ma-vong", telemetry.Motorcycles, march, 42, working)
	between(t, "motorcycles' share in town", total(motorcycles)/total(road), 0.70, 0.88)
	highway, _ := perHour(t, c, "ninh-ich", telemetry.Vehicles, march, 42, working)
	trucks, _ := perHour(t, c, "ninh-ich", telemetry.Trucks, march, 42, working)
	between(t, "trucks' share on national road 1", total(trucks)/total(highway), 0.1, 0.3)
	sunday, _ := perHour(t, c, "ma-vong", telemetry.Vehicles, march, 42, func(d time.Time) bool { return d.Weekday() == time.Sunday })
	between(t, "Sunday's seven o'clock against a working day's", sunday[7]/road[7], 0.3, 0.75)
	beachSunday, _ := perHour(t, c, "bai-bien-tran-phu", telemetry.Vehicles, march, 42, func(d time.Time) bool { return d.Weekday() == time.Sunday })
	beachWork, _ := perHour(t, c, "bai-bien-tran-phu", telemetry.Vehicles, march, 42, working)
	between(t, "Sunday's traffic by the beach against a working day's", total(beachSunday)/total(beachWork), 1.05, 1.6)
}

func TestTrafficKeepsHolidays(t *testing.T) {
	c := New(1)
	day := func(site telemetry.Site, year, month, dom int) float64 {
		v, _ := perHour(t, c, site, telemetry.Vehicles, local(year, month, dom, 0, 0), 1, func(time.Time) bool { return true })
		return total(v)
	}
	usual, _ := perHour(t, c, "ma-vong", telemetry.Vehicles, local(2025, 3, 3, 0, 0), 20, working)
	between(t, "the first of Tết against a usual day", day("ma-vong", 2025, 1, 29)/total(usual), 0.2, 0.75)
	onRoad, _ := perHour(t, c, "ninh-ich", telemetry.Vehicles, local(2025, 3, 3, 0, 0), 20, working)
	between(t, "national road 1 three days before Tết", day("ninh-ich", 2025, 1, 26)/total(onRoad), 1.2, 2)
	guests, _ := perHour(t, c, "bai-bien-tran-phu", telemetry.Vehicles, local(2025, 4, 7, 0, 0), 18, working)
	between(t, "the beach on 30 April", day("bai-bien-tran-phu", 2025, 4, 30)/total(guests), 1.1, 2)
}

// Dates of Tết and Hùng Kings' day against the moon: the first day of a lunar
// month is that of the new moon at UTC+7. Times of new moons by Meeus' formula
// with its larger terms, good to some minutes.
func TestLunarHolidays(t *testing.T) {
	c := newCalendar()
	for year := 2020; year <= 2035; year++ {
		tet := c.tet[year-2020]
		// The month of Tết is the second after the one with the winter solstice,
		// unless a leap month is between: only 2033–34 has one.
		moons := []int64{}
		for k := math.Floor((float64(year)-2000)*12.3685) - 2; k < (float64(year)-2000)*12.3685+6; k++ {
			moons = append(moons, int64(math.Floor(newMoon(k)+0.5-2440587.5+7.0/24-0.5)))
		}
		solstice := dateOf(year-1, 12, 21)
		eleventh := 0
		for i := range moons {
			if moons[i] <= solstice {
				eleventh = i
			}
		}
		months := 2
		if year == 2034 {
			months = 3
		}
		if want := moons[eleventh+months]; want != tet {
			t.Errorf("Tết %d is on %v; the moon says %v", year, civilOf(tet), civilOf(want))
		}
		third := eleventh + months + 2
		if year == 2023 { // a second second month
			third++
		}
		if want := moons[third] + 9; want != c.hung[year-2020] {
			t.Errorf("Hùng Kings' day %d is on %v; the moon says %v", year, civilOf(c.hung[year-2020]), civilOf(want))
		}
	}
}

// newMoon is the Julian day of a new moon (Meeus 1998, chapter 49).
func newMoon(k float64) float64 {
	T := k / 1236.85
	rad := math.Pi / 180
	E := 1 - 0.002516*T
	M := (2.5534 + 29.10535670*k) * rad
	Mm := (201.5643 + 385.81693528*k + 0.0107582*T*T) * rad
	F := (160.7108 + 390.67050284*k - 0.0016118*T*T) * rad
	O := (124.7746 - 1.56375588*k) * rad
	return 2451550.09766 + 29.530588861*k + 0.00015437*T*T -
		0.40720*math.Sin(Mm) + 0.17241*E*math.Sin(M) + 0.01608*math.Sin(2*Mm) + 0.01039*math.Sin(2*F) +
		0.00739*E*math.Sin(Mm-M) - 0.00514*E*math.Sin(Mm+M) + 0.00208*E*E*math.Sin(2*M) - 0.00111*math.Sin(Mm-2*F) -
		0.00057*math.Sin(Mm+2*F) + 0.00056*E*math.Sin(2*Mm+M) - 0.00042*math.Sin(3*Mm) + 0.00042*E*math.Sin(M+2*F) +
		0.00038*E*math.Sin(M-2*F) - 0.00024*E*math.Sin(2*Mm-M) - 0.00017*math.Sin(O) - 0.0008 // ΔT, some 70 s
}

func TestTrafficIsConsistent(t *testing.T) {
	c := New(1)
	for _, site := range []telemetry.Site{"ma-vong", "ninh-ich", "thap-tram-huong"} {
		s := signals(t, c, site, telemetry.Traffic, 5*time.Minute)
		fast, slow, nf, ns := 0.0, 0.0, 0.0, 0.0
		for i := range 7 * 288 {
			at := local(2024, 3, 4, 0, 0).Add(time.Duration(i) * 5 * time.Minute)
			all := s[telemetry.Vehicles].At(at)
			sum := s[telemetry.Motorcycles].At(at) + s[telemetry.Cars].At(at) + s[telemetry.Buses].At(at) + s[telemetry.Trucks].At(at) + s[telemetry.Bicycles].At(at)
			if all != sum {
				t.Fatalf("%s: %v vehicles, but %v by class", site, all, sum)
			}
			if all > 0 {
				expect(t, "headway × vehicles", s[telemetry.Headway].At(at)*all, 300, 1e-6)
			}
			speed, occupancy, queue := s[telemetry.Speed].At(at), s[telemetry.Occupancy].At(at), s[telemetry.QueueLength].At(at)
			between(t, "speed", speed, 4, 90)
			between(t, "occupancy", occupancy, 0, 60)
			between(t, "queue", queue, 0, 600)
			if h := at.Hour(); h == 7 || h == 17 {
				slow, ns = slow+speed, ns+1
			} else if h == 2 || h == 3 {
				fast, nf = fast+speed, nf+1
			}
		}
		if slow/ns >= fast/nf {
			t.Errorf("%s: %.1f km/h in the rush hour and %.1f at night", site, slow/ns, fast/nf)
		}
	}
	// Rain thins the traffic out and slows it down.
	from := local(2024, 3, 13, 0, 0)
	wet := signals(t, New(1, Event{Kind: RainSpell, From: from, To: from.Add(24 * time.Hour), Strength: 300}), "ma-vong", telemetry.Traffic, time.Hour)
	dry := signals(t, c, "ma-vong", telemetry.Traffic, time.Hour)
	at := from.Add(15 * time.Hour)
	between(t, "vehicles in heavy rain against dry", wet[telemetry.Vehicles].At(at)/dry[telemetry.Vehicles].At(at), 0.6, 0.9)
	between(t, "speed in heavy rain against dry", wet[telemetry.Speed].At(at)/dry[telemetry.Speed].At(at), 0.7, 0.97)
}
