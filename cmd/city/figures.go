package city

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// externalVisible is how long an external store may take to show what it has
// accepted: VictoriaMetrics gathers some seconds in memory.
const externalVisible = 10 * time.Second

// ownFigures are what this process computes itself and writes to the store.
type ownFigures struct {
	hours     *figures.Hours
	platform  *figures.Platform
	standings *standings
	// reader reads the store back, counter has it count what it holds; visible is how
	// long it may take to show what it has accepted.
	reader  store.Reader
	counter store.Counter
	visible time.Duration
}

// openFigures makes what computes figures from the readings in a store and writes
// them there. The registry says how sites stand.
func (c *city) openFigures(f storeFlags, s store.Store, readings api.Readings, r *registry) (*ownFigures, error) {
	o := figures.Options{Store: s, Dir: c.data, Sync: c.durability.power, Now: time.Now, Logger: c.log, Registerer: c.reg}
	var counter store.Counter
	if own, ok := s.(interface {
		store.Reader
		store.Counter
	}); ok {
		o.Reader, counter = own, own
	} else if external, ok := readings.(*api.External); ok {
		o.Reader, counter, o.Visible = externalReader{external}, externalReader{external}, externalVisible
	} else {
		return nil, fmt.Errorf("open figures: nothing reads --store %s", f.Store)
	}
	hours, err := figures.OpenHours(o)
	if err != nil {
		return nil, err
	}
	c.open.opened("figures", hours.Close)
	p := figures.NewPlatform(s, c.reg, c.reg)
	p.Logger, p.Dir, p.Localities = c.log, c.data, gatewayLocalities(&c.config)
	own := &ownFigures{hours: hours, platform: p, standings: newStandings(r), reader: o.Reader, counter: counter, visible: o.Visible}
	p.Sites = own.standings.now
	return own, nil
}

// run adds the computing to the process. It is stopped after the loader, whose
// writes it notes.
func (f *ownFigures) run(parts *actors) {
	parts.add("figures", f.hours.Run)
	parts.add("platform's figures", f.platform.Run)
}

// gatewayLocalities are the localities of gateways whose subscriptions are all of
// one.
func gatewayLocalities(c *config.Config) map[string]telemetry.Locality {
	known := c.LocalityIDs()
	out := map[string]telemetry.Locality{}
	for _, g := range c.Gateways {
		var all []telemetry.Locality
		for _, s := range g.Subscriptions {
			levels := strings.Split(s.Filter, "/")
			l := telemetry.Locality("")
			if len(levels) > 1 && slices.Contains(known, telemetry.Locality(levels[1])) {
				l = telemetry.Locality(levels[1])
			}
			all = append(all, l)
		}
		if all = slices.Compact(all); len(all) == 1 && all[0] != "" {
			out[g.Name] = all[0]
		}
	}
	return out
}

// externalReader reads an external store back.
type externalReader struct{ *api.External }

// Samples implements [store.Reader].
func (r externalReader) Samples(ctx context.Context, q store.Query, f func(store.Sample)) error {
	return r.External.RawSamples(ctx, api.SampleQuery(q), func(s api.RawSample) { f(store.Sample(s)) })
}

// Counts implements [store.Counter].
func (r externalReader) Counts(ctx context.Context, k telemetry.Kind, metrics []telemetry.Metric, from, to time.Time, f func(time.Time, int64)) error {
	return r.External.Counts(ctx, api.CountQuery{Kind: k, Metrics: metrics, From: from, To: to}, f)
}

// standings says how all sites with devices stand.
type standings struct {
	registry *registry
	// alarms are the sites with an active alarm; nil knows of none.
	alarms func() map[telemetry.Site]bool
	// stale says that the places must be read anew.
	stale  atomic.Bool
	readAt time.Time
	places map[telemetry.Site]devices.Position
}

// placesEvery bounds how often the places of all sites are read: while many
// change, they are shown so much later.
const placesEvery = time.Minute

func newStandings(r *registry) *standings {
	s := &standings{registry: r}
	s.stale.Store(true)
	r.Subscribe(func(devices.Event) { s.stale.Store(true) })
	return s
}

// now is for one goroutine.
func (s *standings) now(ctx context.Context) ([]figures.Standing, error) {
	all := s.registry.presences().Devices
	if time.Since(s.readAt) > placesEvery && s.stale.Swap(false) {
		if err := s.readPlaces(ctx); err != nil {
			s.stale.Store(true)
			return nil, err
		}
		s.readAt = time.Now()
	}
	alarms := map[telemetry.Site]bool{}
	if s.alarms != nil {
		alarms = s.alarms()
	}
	slices.SortFunc(all, func(a, b devices.DeviceSilence) int { return cmp.Compare(a.Site, b.Site) })
	var out []figures.Standing
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(d devices.DeviceSilence) bool { return d.Site != all[0].Site })
		if n < 0 {
			n = len(all)
		}
		out = append(out, standingOf(all[:n], s.places[all[0].Site], alarms[all[0].Site]))
		all = all[n:]
	}
	return out, nil
}

// standingOf is how a site stands, from its devices.
func standingOf(all []devices.DeviceSilence, at devices.Position, alarm bool) figures.Standing {
	s := figures.Standing{Site: all[0].Site, Locality: all[0].Locality, Latitude: at.Lat, Longitude: at.Lon, Devices: len(all)}
	counts := map[devices.Presence]int{}
	for _, d := range all {
		counts[d.State]++
	}
	s.Silent = counts[devices.Silent]
	switch {
	case alarm:
		s.State = telemetry.SiteAlarm
	case counts[devices.Silent] > 0:
		s.State = telemetry.SiteSilent
	case counts[devices.Late] > 0:
		s.State = telemetry.SiteLate
	case counts[devices.Muted] == len(all):
		s.State = telemetry.SiteMaintenance
	default:
		s.State = telemetry.SiteOK
	}
	return s
}

func (s *standings) readPlaces(ctx context.Context) error {
	places := map[telemetry.Site]devices.Position{}
	f := devices.SiteFilter{Page: devices.Page{Limit: devices.MaxPage}}
	for {
		page, _, err := s.registry.Sites(ctx, f)
		if err != nil {
			return err
		}
		for _, site := range page {
			places[site.ID] = site.Position
			f.After = string(site.ID)
		}
		if len(page) < devices.MaxPage {
			break
		}
	}
	s.places = places
	return nil
}
