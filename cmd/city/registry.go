package city

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// registryFlags say where the registry is and whom it lets in.
type registryFlags struct {
	Registry   string `env:"HAIDANG_REGISTRY" help:"Registry of sites and devices: a file, or postgres://USER@HOST/DATABASE. Default: registry.db in --data." placeholder:"FILE|URL"`
	Admission  string `enum:",open,registered" default:"" help:"Whose readings are stored: open (an unknown device is registered provisionally; the default on the loopback) or registered (its readings wait in quarantine; the only one beyond it)." placeholder:"open"`
	AdmitLimit int    `default:"10000" help:"With --admission open: how many devices are registered provisionally." placeholder:"10000"`
}

func (f registryFlags) check() error {
	if f.AdmitLimit < 1 {
		return fmt.Errorf("--admit-limit is %d: give at least 1", f.AdmitLimit)
	}
	return nil
}

// registryFile is the registry in the data folder.
const registryFile = "registry.db"

// followEvery is how often changes of other processes in the same registry are
// looked for.
const followEvery = time.Second

// registry is the devices' side of a loader: it admits readings, hears of the
// unknown, and judges silence.
type registry struct {
	*devices.Registry
	store     *sqlstore.Store
	admission *devices.Admission
	silence   *devices.Silence
	live      *api.Live
	log       *slog.Logger

	mu      sync.Mutex
	changed map[telemetry.Device]bool // whose waiting messages may be admitted now
	wake    chan struct{}
}

// waitsForRegistry are the reasons that a change of the registry may mend.
func waitsForRegistry() []telemetry.Reason {
	return []telemetry.Reason{telemetry.Unregistered, telemetry.UnknownLocality}
}

// redriveRetry is after how long what could not be driven through is tried again.
const redriveRetry = 5 * time.Second

// waitingAtOnce is how many waiting devices are looked at together.
const waitingAtOnce = 1000

// waitingLister says whose messages wait.
type waitingLister interface {
	WaitingDevices(ctx context.Context, reason telemetry.Reason, after telemetry.Device, limit int) ([]telemetry.Device, error)
}

// openRegistry opens the registry, gives a new one its wards and places, and adds
// the configuration's localities that it does not know.
func openRegistry(ctx context.Context, f registryFlags, cfg config.Config, dir string, log *slog.Logger, open *openLog) (*registry, error) {
	place := f.Registry
	if place == "" {
		place = filepath.Join(dir, registryFile)
	}
	st, err := sqlstore.Open(ctx, place)
	if err != nil {
		return nil, fmt.Errorf("--registry: %w", err)
	}
	open.opened("registry", st.Close)
	r := &registry{Registry: devices.NewRegistry(st), store: st, silence: devices.NewSilence(time.Now()), log: log,
		changed: map[telemetry.Device]bool{}, wake: make(chan struct{}, 1)}
	r.Logger = log
	if err := r.Open(ctx); err != nil {
		return nil, fmt.Errorf("--registry: %w", err)
	}
	if _, err := seed.Apply(ctx, r.Registry); err != nil {
		return nil, fmt.Errorf("--registry: %w", err)
	}
	if err := r.addLocalities(ctx, cfg); err != nil {
		return nil, fmt.Errorf("--registry: %w", err)
	}
	r.admission = devices.NewAdmission(r.Registry, devices.Mode(f.Admission))
	r.admission.Cap, r.admission.Logger = f.AdmitLimit, log
	r.Subscribe(r.note)
	return r, nil
}

// addLocalities adds what the configuration lists and the registry lacks: localities,
// and wards that a locality never had.
func (r *registry) addLocalities(ctx context.Context, cfg config.Config) error {
	for _, l := range cfg.Localities {
		names := devices.Locality{ID: l.ID, NameVI: l.NameVI, NameEN: l.NameEN}
		if names.NameVI == "" {
			names.NameVI = string(l.ID)
		}
		if names.NameEN == "" {
			names.NameEN = names.NameVI
		}
		by := devices.By{Who: "configuration", Scope: devices.Everywhere()}
		_, err := r.PutLocality(ctx, by, names)
		if err != nil && !devices.HasReason(err, devices.ReasonDuplicateID) {
			return fmt.Errorf("add locality %s: %w", l.ID, err)
		}
		lacks, err := r.lacks(ctx, l)
		if err != nil {
			return err
		}
		if len(lacks) == 0 {
			continue
		}
		if _, err := r.ImportWards(ctx, by, lacks, false); err != nil {
			return fmt.Errorf("--config: wards of locality %s: %w", l.ID, err)
		}
	}
	return nil
}

// lacks are the wards that the configuration gives a locality and that it never had.
func (r *registry) lacks(ctx context.Context, l config.LocalityConfig) (rows []devices.WardRow, err error) {
	all, err := r.Localities(ctx)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(all, func(have devices.Locality) bool { return have.ID == l.ID })
	known, err := r.Wards(ctx)
	if err != nil {
		return nil, err
	}
	for _, code := range l.Wards {
		if !slices.ContainsFunc(known, func(w devices.Ward) bool { return w.Code == code }) {
			return nil, fmt.Errorf("--config: locality %s: there is no ward %s: give official codes of 5 digits, or add it with haidang wards import first", l.ID, code)
		}
		if n < 0 || !slices.ContainsFunc(all[n].Wards, func(m devices.Membership) bool { return m.Ward == code }) {
			rows = append(rows, devices.WardRow{Code: code, Locality: l.ID})
		}
	}
	return rows, nil
}

// cadence is how often a device reports readings of a kind: as somebody has set it,
// else as it was learned; 0 is not known.
func (r *registry) cadence(d telemetry.Device, k telemetry.Kind) time.Duration {
	if every := r.Snapshot().Cadence(d); every > 0 {
		return every
	}
	return r.silence.Learned(d, k)
}

// Stored implements [ingest.Listener].
func (r *registry) Stored(p telemetry.Point, m ingest.Message, gateway string) {
	r.silence.Observe(p, signOf(m, gateway))
	r.live.Observe([]telemetry.Point{p})
}

// Held implements [ingest.Listener].
func (r *registry) Held(d telemetry.Device, m ingest.Message, gateway string) {
	r.silence.Contact(d, signOf(m, gateway))
}

// signOf is a message as a sign of life. Devices that come to the door share what is before
// it by locality: its network, its operator. So there they stand together in incidents by
// that, as behind a gateway.
func signOf(m ingest.Message, gateway string) devices.Sign {
	if gateway == door.Name {
		gateway = cmp.Or(string(ingest.LocalityOf(m.Topic)), gateway)
	}
	return devices.Sign{Received: m.Received, Gateway: gateway, Retained: m.Retained}
}

// Refused implements [ingest.Listener].
func (r *registry) Refused(d telemetry.Device, m ingest.Message, gateway string) {
	r.admission.Describe(d, m.Topic, gateway, m.Payload)
}

// note remembers which devices' waiting messages are to be driven through again.
// The registry waits for it, so it only notes.
func (r *registry) note(e devices.Event) {
	if len(e.Devices) == 0 {
		return
	}
	r.remember(e.Devices)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *registry) remember(all []telemetry.Device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range all {
		r.changed[d] = true
	}
}

// take takes over whom note and remember have remembered.
func (r *registry) take() map[telemetry.Device]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.changed
	r.changed = map[telemetry.Device]bool{}
	return changed
}

// redrive drives, until ctx ends, what waits for the registry through again once
// that admits it. It begins with whose device is registered already: a process that
// was killed may have registered it and not come to its messages.
func (r *registry) redrive(l *ingest.Loader, led waitingLister) func(context.Context) error {
	return func(ctx context.Context) error {
		begun, failed := false, false
		for {
			var err error
			if !begun {
				err = r.rememberWaiting(ctx, led)
				begun = err == nil
			}
			err = errors.Join(err, r.redriveDevices(ctx, l, r.take()))
			if err != nil && !failed && ctx.Err() == nil {
				r.log.Error("cannot re-drive what waited for a device; trying again", "error", err)
			}
			failed = err != nil
			var again <-chan time.Time
			if failed {
				again = time.After(redriveRetry)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-again:
			case <-r.wake:
			}
		}
	}
}

// rememberWaiting remembers all devices that the registry knows and whose messages wait
// for it. Of others nothing is tried: it would be in vain, or let them in by
// another rule than when they came.
func (r *registry) rememberWaiting(ctx context.Context, led waitingLister) error {
	s := r.Snapshot()
	for _, reason := range waitsForRegistry() {
		for after := telemetry.Device(""); ; {
			found, err := led.WaitingDevices(ctx, reason, after, waitingAtOnce)
			if err != nil {
				return err
			}
			if len(found) == 0 {
				break
			}
			after = found[len(found)-1]
			r.remember(slices.DeleteFunc(found, func(d telemetry.Device) bool { return !s.Has(d) }))
		}
	}
	return nil
}

// redriveDevices drives through what waits of devices and is admitted now. Those
// that it does not come to are remembered.
func (r *registry) redriveDevices(ctx context.Context, l *ingest.Loader, changed map[telemetry.Device]bool) (err error) {
	for d := range changed {
		if err == nil {
			err = r.redriveDevice(ctx, l, d)
		}
		if err != nil {
			r.remember([]telemetry.Device{d})
		}
	}
	return err
}

func (r *registry) redriveDevice(ctx context.Context, l *ingest.Loader, d telemetry.Device) error {
	for _, reason := range waitsForRegistry() {
		f := ingest.QuarantineFilter{Device: d, Reason: reason}
		for {
			result, err := l.RedriveAdmitted(ctx, f, r.admits)
			if err != nil {
				return err
			}
			if result.Next == 0 {
				break
			}
			f.After = result.Next
		}
	}
	return nil
}

// admits reports whether a reading has a site now. Unlike admission it changes
// nothing.
func (r *registry) admits(reading telemetry.Reading) bool {
	_, refusal := r.Snapshot().Lookup(reading.Locality, reading.Kind.Kind, reading.Device, reading.Time)
	return refusal == ""
}

// presences is how all devices stand now.
func (r *registry) presences() devices.Silences {
	return r.silence.At(time.Now(), r.Snapshot().Expectations())
}

// run adds the registry's own work to the process.
func (r *registry) run(parts *actors, l *loading, c *access.Control, a *api.API) {
	parts.add("access control", c.Run)
	parts.add("REST interface", a.Run)
	parts.add("registry", func(ctx context.Context) error {
		done := make(chan error, 1)
		go func() { done <- r.Follow(ctx, followEvery) }()
		return errors.Join(r.admission.Run(ctx), <-done)
	})
	parts.add("re-driver", r.redrive(l.loader, l.ledger))
}
