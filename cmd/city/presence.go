package city

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// presenceEvery is how often it is written down when devices were last heard: a
// crash may make a device seem so much longer silent. Only those that were heard
// since are written; a hundred thousand cost a second of CPU a minute.
const presenceEvery = 30 * time.Second

// restorePresence tells the judge of silence what earlier runs heard, so that who
// was silent before a restart is so after it.
func (r *registry) restorePresence(ctx context.Context, led *ledger.Ledger) error {
	runs, deaf, heard, err := led.Heard(ctx)
	if err != nil {
		return err
	}
	before := make([]devices.Period, 0, len(runs))
	for _, run := range runs {
		before = append(before, devices.Period{From: run.Began, To: run.Until})
	}
	past := make([]devices.Deaf, 0, len(deaf))
	for _, d := range deaf {
		past = append(past, devices.Deaf{Ear: devices.Ear(d.Ear), Period: devices.Period{From: d.Began, To: d.Until}})
	}
	last := make([]devices.LastHeard, 0, len(heard))
	for _, h := range heard {
		last = append(last, devices.LastHeard{Device: h.Device, Event: h.Event, Received: h.Received, Gateway: h.Gateway, Memory: h.Memory})
	}
	r.silence.Restore(before, past, last)
	return nil
}

// cadences are those of the devices that do not report as often as their kind usually
// does: as set in the registry, or learned.
func (r *registry) cadences() (out []rules.Cadence) {
	for _, d := range r.presences().Devices {
		for _, c := range d.Cadences {
			if spec := r.Catalogue.Kind(c.Kind); spec != nil && c.Every > 0 && c.Every != spec.Cadence {
				out = append(out, rules.Cadence{Site: d.Site, Device: d.Device, Kind: c.Kind, Every: c.Every})
			}
		}
	}
	slices.SortFunc(out, func(a, b rules.Cadence) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Device, b.Device), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

const (
	// earsEvery is how often it is looked at who hears.
	earsEvery = 2 * time.Second
	// backlogOld is how old what waits in the journal may be: what is newer of a device
	// is not known before.
	backlogOld = 30 * time.Second
)

// ears tells the judge of silence, until ctx ends, through whom devices can be heard:
// the door, to which devices of every locality may come, and gateways that have subscribed
// (nil and none where they run elsewhere), and a store that takes what they bring. Devices
// are silent only while they could be heard.
func (l *loading) ears(w *doorway, gateways []*ingest.Gateway, serves map[string]telemetry.Locality) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(earsEvery)
		defer tick.Stop()
		for {
			now := time.Now()
			hears := map[telemetry.Locality]bool{}
			if w != nil {
				up := w.State().Detail == ""
				l.registry.silence.Listen(devices.GatewayEar(door.Name), up, now)
				hears[""] = up
				for _, locality := range l.registry.Snapshot().Localities() { // see signOf
					if !slices.ContainsFunc(gateways, func(g *ingest.Gateway) bool { return g.Name == string(locality) }) {
						l.registry.silence.Listen(devices.GatewayEar(string(locality)), up, now)
					}
				}
			}
			for _, g := range gateways {
				up := g.State().Detail == ""
				l.registry.silence.Listen(devices.GatewayEar(g.Name), up, now)
				hears[serves[g.Name]] = hears[serves[g.Name]] || up
			}
			for _, locality := range l.registry.Snapshot().Localities() {
				if w != nil || len(gateways) > 0 {
					l.registry.silence.Listen(devices.LocalityEar(locality), hears[locality] || hears[""], now)
				}
			}
			state, err := l.journal.State(ctx)
			behind := err != nil || !state.Oldest.IsZero() && now.Sub(state.Oldest) > backlogOld
			l.registry.silence.Listen(devices.AllEars, l.loader.StoreError() == nil && !behind, now)
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}
}

// keepPresence writes down, until ctx ends and then once more, when devices were
// last heard and that this process listens.
func (r *registry) keepPresence(led *ledger.Ledger) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(presenceEvery)
		defer tick.Stop()
		asked := map[string]bool{}
		for failed := false; ; {
			select {
			case <-ctx.Done():
				last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
				defer cancel()
				return r.savePresence(last, led)
			case <-tick.C:
			}
			err := r.savePresence(ctx, led)
			if err != nil && !failed && ctx.Err() == nil {
				r.log.Error("cannot write down when devices were heard; trying again", "error", err)
			}
			failed = err != nil
			r.askUnits(asked)
		}
	}
}

// askUnits writes each question about a device's units into the log, once in a run.
func (r *registry) askUnits(asked map[string]bool) {
	for _, d := range r.presences().Devices {
		for _, u := range d.Units {
			if key := string(d.Device) + "/" + string(u.Metric); !asked[key] {
				asked[key] = true
				r.log.Warn("a device's unit may be wrong", "device", d.Device, "site", d.Site, "question", u.English())
			}
		}
	}
}

func (r *registry) savePresence(ctx context.Context, led *ledger.Ledger) error {
	heard, unheard := r.silence.Unsaved(), r.silence.Unheard()
	rows := make([]ledger.Heard, 0, len(heard))
	for _, h := range heard {
		rows = append(rows, ledger.Heard{Device: h.Device, Event: h.Event, Received: h.Received, Gateway: h.Gateway, Memory: h.Memory})
	}
	deaf := make([]ledger.Deaf, 0, len(unheard))
	for _, d := range unheard {
		deaf = append(deaf, ledger.Deaf{Ear: string(d.Ear), Began: d.From, Until: d.To})
	}
	if err := led.KeepHeard(ctx, ledger.Run{Began: r.silence.Started, Until: time.Now()}, deaf, rows); err != nil {
		return err
	}
	r.silence.Saved(heard, unheard)
	return nil
}
