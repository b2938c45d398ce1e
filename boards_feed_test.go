package main

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
	"github.com/haidang-iot/haidang/simulator"
	simcity "github.com/haidang-iot/haidang/simulator/city"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// feed is a simulated day as it is in a store: what devices reported, and what
// Hải Đăng computes of that.
type feed struct {
	cat    *telemetry.Catalogue
	end    time.Time
	points []telemetry.Point
}

// newFeed is the end of a shipped scenario, moved to end when it is to: for each
// kind a few sites of each locality.
func newFeed(t testing.TB, name string, end time.Time, length time.Duration, perLocality int) *feed {
	t.Helper()
	s, err := scenario.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := simulator.NewScenarioFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	fleet := whole.At(end.Add(-whole.End().Sub(whole.Start())))
	f := &feed{cat: telemetry.NewCatalogue(), end: end}
	var chosen []int
	type group struct {
		telemetry.Locality
		telemetry.Kind
	}
	count := map[group]int{}
	for i := range fleet.Devices() {
		d := &fleet.Devices()[i]
		g := group{d.Locality, d.Kind.Kind}
		station := slices.ContainsFunc(limits.Stations(), func(s limits.Station) bool { return s.Site == d.Site() }) && g.Kind == telemetry.WaterLevel
		if count[g] < perLocality || station {
			count[g]++
			chosen = append(chosen, i)
		}
	}
	for plan := fleet.Plan(end.Add(-length), end, chosen...); ; {
		next, ok := plan.Next()
		if !ok {
			break
		}
		e := plan.Write(next)
		d := &fleet.Devices()[e.Device]
		byTime := map[time.Time]*telemetry.Point{}
		for _, p := range e.Points {
			if p.Kind == telemetry.Status {
				continue
			}
			if byTime[p.Time] == nil {
				byTime[p.Time] = &telemetry.Point{Series: telemetry.Series{Kind: p.Kind, Locality: d.Locality, Site: d.Site(), Device: d.ID}, Time: p.Time}
			}
			at := byTime[p.Time]
			at.Values = append(at.Values, telemetry.Value{Spec: f.cat.Kind(p.Kind).Metric([]byte(p.Metric)), Number: p.Value})
		}
		for _, at := range slices.SortedFunc(maps.Keys(byTime), time.Time.Compare) {
			f.points = append(f.points, *byTime[at])
		}
	}
	f.hours()
	f.index()
	f.states(length)
	f.platform(min(length, 6*time.Hour))
	return f
}

// add adds a value of what Hải Đăng computes.
func (f *feed) add(s telemetry.Series, at time.Time, spec *telemetry.MetricSpec, v float64) {
	if !math.IsNaN(v) {
		f.points = append(f.points, telemetry.Point{Series: s, Time: at, Values: []telemetry.Value{{Spec: spec, Number: v}}})
	}
}

// hourOf is what an hour of a site's metric is made of.
type hourOf struct {
	telemetry.Series
	metric *telemetry.MetricSpec
	end    time.Time
}

// hours adds what is kept of hours.
func (f *feed) hours() {
	values := map[hourOf][]float64{}
	for _, p := range f.points {
		for _, v := range p.Values {
			s := p.Series
			s.Device = telemetry.ComputedBy
			h := hourOf{s, v.Spec, p.Time.Add(time.Hour - time.Millisecond).Truncate(time.Hour)}
			values[h] = append(values[h], v.Number)
		}
	}
	for h, vs := range values {
		if h.end.After(f.end) {
			continue
		}
		sum := 0.0
		for _, v := range vs {
			sum += v
		}
		kept := map[telemetry.Hourly]float64{telemetry.Mean1h: sum / float64(len(vs)), telemetry.Max1h: slices.Max(vs), telemetry.Min1h: slices.Min(vs),
			telemetry.Sum1h: sum, telemetry.Increase1h: max(vs[len(vs)-1]-vs[0], 0)}
		s := h.Series
		s.Kind = telemetry.HourlyKind(s.Kind)
		for _, k := range h.metric.Hourly() {
			spec := *h.metric
			spec.Name = h.metric.HourlyName(k)
			f.add(s, telemetry.Stamp(h.end, h.end), &spec, kept[k])
		}
	}
}

// index adds VN_AQI of hours and of the day.
func (f *feed) index() {
	means := map[telemetry.Series]map[telemetry.Metric]map[time.Time]float64{}
	for _, p := range f.points {
		if p.Series.Kind != telemetry.HourlyKind(telemetry.AirQuality) {
			continue
		}
		s := p.Series
		s.Kind = telemetry.AirQualityIndex
		if means[s] == nil {
			means[s] = map[telemetry.Metric]map[time.Time]float64{}
		}
		m := p.Values[0].Spec.Name
		if means[s][m] == nil {
			means[s][m] = map[time.Time]float64{}
		}
		means[s][m][p.Time] = p.Values[0].Number
	}
	metric := func(m telemetry.Metric) *telemetry.MetricSpec {
		return f.cat.Kind(telemetry.AirQualityIndex).Metric([]byte(m))
	}
	for s, of := range means {
		mean := func(m telemetry.Metric, at time.Time) float64 {
			if v, ok := of[m+":mean1h"][at]; ok {
				return v
			}
			return math.NaN()
		}
		for at := range of[telemetry.PM25+":mean1h"] {
			h := vnaqi.Hour{O3: mean(telemetry.O3, at), NO2: mean(telemetry.NO2, at), SO2: mean(telemetry.SO2, at), CO: mean(telemetry.CO, at)}
			for i := range 12 {
				h.PM25 = append(h.PM25, mean(telemetry.PM25, at.Add(-time.Duration(i)*time.Hour)))
				h.PM10 = append(h.PM10, mean(telemetry.PM10, at.Add(-time.Duration(i)*time.Hour)))
			}
			index, ok := vnaqi.Hourly(h)
			if !ok {
				continue
			}
			f.add(s, at, metric(telemetry.VNAQI), float64(index.Value))
			f.add(s, at, metric(telemetry.Dominant), float64(index.Dominant))
			if at.Add(7*time.Hour + 2*time.Minute).Truncate(24 * time.Hour).Equal(at.Add(7*time.Hour + 2*time.Minute)) {
				f.add(s, at, metric(telemetry.VNAQIDay), float64(index.Value))
			}
		}
	}
}

// states adds where sites are and how they stand: one is silent, one late.
func (f *feed) states(length time.Duration) {
	devices := map[telemetry.Series]map[telemetry.Device]bool{}
	for _, p := range f.points {
		if p.Series.Device != telemetry.ComputedBy {
			s := telemetry.Series{Kind: telemetry.SiteState, Locality: p.Series.Locality, Site: p.Series.Site, Device: telemetry.ComputedBy}
			if devices[s] == nil {
				devices[s] = map[telemetry.Device]bool{}
			}
			devices[s][p.Series.Device] = true
		}
	}
	k := f.cat.Kind(telemetry.SiteState)
	places := simcity.Places()
	for i, s := range slices.SortedFunc(maps.Keys(devices), func(a, b telemetry.Series) int { return compareSites(a.Site, b.Site) }) {
		at := slices.IndexFunc(places, func(p simcity.Place) bool { return p.Site == s.Site })
		if at < 0 {
			at = i % len(places)
		}
		state, silent := telemetry.SiteOK, 0
		switch i % 9 {
		case 2:
			state = telemetry.SiteLate
		case 4:
			state, silent = telemetry.SiteSilent, 1
		case 7:
			state = telemetry.SiteAlarm
		}
		for t := f.end; t.After(f.end.Add(-length)); t = t.Add(-5 * time.Minute) {
			p := telemetry.Point{Series: s, Time: t.Add(-time.Second)}
			for m, v := range map[telemetry.Metric]float64{telemetry.Latitude: places[at].Lat, telemetry.Longitude: places[at].Lon, telemetry.StateCode: float64(state),
				telemetry.DeviceCount: float64(len(devices[s])), telemetry.SilentDevices: float64(silent)} {
				p.Values = append(p.Values, telemetry.Value{Spec: k.Metric([]byte(m)), Number: v})
			}
			f.points = append(f.points, p)
		}
	}
}

func compareSites(a, b telemetry.Site) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// platform adds the platform's own figures.
func (f *feed) platform(length time.Duration) {
	k := f.cat.Kind(telemetry.Platform)
	gateways := []telemetry.Locality{"nha-trang", "cam-ranh", "cam-lam", "ninh-hoa"}
	own := []telemetry.Metric{telemetry.MessagesReceived, telemetry.MessagesStored, telemetry.MessagesPartial, telemetry.MessagesDuplicate,
		telemetry.MessagesQuarantined, telemetry.MessagesQueued, telemetry.MessagesMissing, telemetry.GatewayConnected}
	for t := f.end.Add(-length); !t.After(f.end); t = t.Add(15 * time.Second) {
		n := t.Sub(f.end.Add(-length)).Seconds()
		for i, l := range gateways {
			p := telemetry.Point{Series: telemetry.Series{Kind: telemetry.Platform, Locality: l, Site: telemetry.PlatformSite, Device: telemetry.Device(l)}, Time: t}
			for j, m := range own {
				v := []float64{10*n + float64(i)*100, 10 * n, 3, n / 10, 12, float64(i * 2), 0, 1}[j]
				p.Values = append(p.Values, telemetry.Value{Spec: k.Metric([]byte(m)), Number: v})
			}
			f.points = append(f.points, p)
		}
		p := telemetry.Point{Series: telemetry.Series{Kind: telemetry.Platform, Locality: telemetry.Locality(telemetry.PlatformSite), Site: telemetry.PlatformSite, Device: telemetry.ComputedBy}, Time: t}
		for i := range k.Metrics {
			m := &k.Metrics[i]
			if slices.Contains(own, m.Name) {
				continue
			}
			v := 5 + 3*math.Sin(n/900)
			switch {
			case m.Name == telemetry.StoreUp:
				v = 1
			case m.Name == telemetry.Gateways || m.Name == telemetry.GatewaysConnected:
				v = 4
			case m.Form == telemetry.Counter || m.Name == telemetry.Uptime:
				v = n
			case m.Unit == "B":
				v = 3e9 + 1e8*math.Sin(n/900)
			case m.Unit == "d":
				v = 71
			}
			p.Values = append(p.Values, telemetry.Value{Spec: m, Number: v})
		}
		f.points = append(f.points, p)
	}
}
