package city

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/ledger"
)

// presenceEvery is how often it is written down when devices were last heard: a
// crash may make a device seem so much longer silent. Only those that were heard
// since are written; a hundred thousand cost a second of CPU a minute.
const presenceEvery = 30 * time.Second

// restorePresence tells the judge of silence what earlier runs heard, so that who
// was silent before a restart is so after it.
func (r *registry) restorePresence(ctx context.Context, led *ledger.Ledger) error {
	runs, heard, err := led.Heard(ctx)
	if err != nil {
		return err
	}
	before := make([]devices.Period, 0, len(runs))
	for _, run := range runs {
		before = append(before, devices.Period{From: run.Began, To: run.Until})
	}
	last := make([]devices.LastHeard, 0, len(heard))
	for _, h := range heard {
		last = append(last, devices.LastHeard{Device: h.Device, Event: h.Event, Received: h.Received, Gateway: h.Gateway})
	}
	r.silence.Restore(before, last)
	return nil
}

// keepPresence writes down, until ctx ends and then once more, when devices were
// last heard and that this process listens.
func (r *registry) keepPresence(led *ledger.Ledger) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(presenceEvery)
		defer tick.Stop()
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
		}
	}
}

func (r *registry) savePresence(ctx context.Context, led *ledger.Ledger) error {
	heard := r.silence.Unsaved()
	rows := make([]ledger.Heard, 0, len(heard))
	for _, h := range heard {
		rows = append(rows, ledger.Heard{Device: h.Device, Event: h.Event, Received: h.Received, Gateway: h.Gateway})
	}
	if err := led.KeepHeard(ctx, ledger.Run{Began: r.silence.Started, Until: time.Now()}, rows); err != nil {
		return err
	}
	r.silence.Saved(heard)
	return nil
}
