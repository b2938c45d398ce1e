package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Figure is one thing measured of one contender in one round. What was not measured is 0.
type Figure struct {
	Contender string `json:"contender"`
	// Phase is load, rate, outage, kill or size.
	Phase string `json:"phase"`
	Load  load   `json:"load"`
	Round int    `json:"round"`

	// Sent, Acknowledged and Stored are messages.
	Sent         int64 `json:"sent,omitempty"`
	Acknowledged int64 `json:"acknowledged,omitempty"`
	Stored       int64 `json:"stored,omitempty"`
	// CPU is microseconds of CPU for a stored message: of each process, and together.
	CPU      map[string]float64 `json:"cpu_us,omitempty"`
	TotalCPU float64            `json:"total_cpu_us,omitempty"`
	// Peak is the most memory of each process, in MiB, TotalPeak their sum.
	Peak      map[string]float64 `json:"peak_mib,omitempty"`
	TotalPeak float64            `json:"total_peak_mib,omitempty"`
	// Reached is how many messages a second were acknowledged.
	Reached float64 `json:"reached,omitempty"`
	// PUBACK is the time from when a message was due to its acknowledgement, Visible from its
	// sending until a query shows it, in milliseconds.
	PUBACK50  float64 `json:"puback_p50_ms,omitempty"`
	PUBACK99  float64 `json:"puback_p99_ms,omitempty"`
	Visible50 float64 `json:"visible_p50_ms,omitempty"`
	Visible99 float64 `json:"visible_p99_ms,omitempty"`
	// Start is how long the empty stack took to be ready, StartFull with what it holds, in seconds.
	Start     float64 `json:"start_s,omitempty"`
	StartFull float64 `json:"start_full_s,omitempty"`
	// Highest is the highest rate without a growing backlog.
	Highest int `json:"highest,omitempty"`
	// CatchUp is how many times faster than live a backlog was worked off while the load
	// went on.
	CatchUp float64 `json:"catch_up,omitempty"`
	// Lost are acknowledged and not stored, Twice stored and not sent.
	Lost  int64 `json:"lost"`
	Twice int64 `json:"twice"`
	// Bytes are on disk for a sample, after compaction.
	Bytes float64 `json:"bytes_per_sample,omitempty"`
}

// bench measures.
type bench struct {
	programs programs
	dir      string
	plan     plan
	say      func(format string, args ...any)
}

// with runs f on a fresh stack of a contender.
func (b *bench) with(ctx context.Context, c contender, f func(*stack, time.Duration) error) (err error) {
	dir, err := os.MkdirTemp(b.dir, "stack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := newStack(c, b.programs, dir)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", c.id, err)
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	took, err := s.start(ctx)
	if err != nil {
		return err
	}
	return f(s, took)
}

// load measures a contender under one load.
func (b *bench) load(ctx context.Context, c contender, l load, round int) (f Figure, err error) {
	f = Figure{Contender: c.id, Phase: "load", Load: l, Round: round, CPU: map[string]float64{}, Peak: map[string]float64{}}
	err = b.with(ctx, c, func(s *stack, took time.Duration) error {
		f.Start = took.Seconds()
		if err := s.warm(ctx, l.Connections); err != nil {
			return err
		}
		if err := b.spend(ctx, s, &f); err != nil {
			return err
		}
		if err := b.see(ctx, s, &f); err != nil || c.floor {
			return err
		}
		if err := s.stop(); err != nil {
			return err
		}
		took, err := s.start(ctx)
		f.StartFull = took.Seconds()
		return err
	})
	return f, err
}

// spend sends the load, and divides what the processes have taken until all is stored.
func (b *bench) spend(ctx context.Context, s *stack, f *Figure) error {
	stored, err := s.quiet(ctx)
	if err != nil {
		return err
	}
	before, err := s.cpu()
	if err != nil {
		return err
	}
	out, err := s.send(ctx, f.Load)
	if err != nil {
		return err
	}
	now, _, err := s.drained(ctx, stored+out.Acknowledged, b.plan.drain)
	if err != nil {
		return err
	}
	after, err := s.cpu()
	if err != nil {
		return err
	}
	f.Sent, f.Acknowledged, f.Stored = out.Planned, out.Acknowledged, now-stored
	if s.floor { // it counts what devices say of themselves too
		f.Stored = min(f.Stored, f.Acknowledged)
	}
	f.Lost, f.Twice = max(0, f.Acknowledged-f.Stored), max(0, f.Stored-f.Sent)
	f.Reached = float64(out.Acknowledged) / f.Load.Seconds
	f.PUBACK50, f.PUBACK99 = out.Latency.P50, out.Latency.P99
	for i, p := range s.procs {
		f.CPU[p.name] = (after[i] - before[i]) * 1e6 / float64(max(1, f.Stored))
		f.Peak[p.name] = float64(p.peak) / (1 << 20)
		f.TotalCPU += f.CPU[p.name]
		f.TotalPeak += f.Peak[p.name]
	}
	return nil
}

// see sends probes while the load goes on.
func (b *bench) see(ctx context.Context, s *stack, f *Figure) error {
	if s.floor {
		return nil
	}
	l := f.Load
	l.Seconds = b.plan.probe.Seconds() + 8
	done := make(chan error, 1)
	go func() {
		_, err := s.send(ctx, l)
		done <- err
	}()
	time.Sleep(3 * time.Second) // until all are connected
	took, err := s.probe(ctx, b.plan.probe)
	f.Visible50, f.Visible99 = quantile(took, 0.5), quantile(took, 0.99)
	return errors.Join(err, <-done)
}

// rate finds the highest rate at which the devices are not late and no backlog grows.
func (b *bench) rate(ctx context.Context, c contender, l load, round int) (f Figure, err error) {
	f = Figure{Contender: c.id, Phase: "rate", Load: l, Round: round}
	err = b.with(ctx, c, func(s *stack, _ time.Duration) error {
		if err := s.warm(ctx, l.Connections); err != nil {
			return err
		}
		for _, rate := range b.plan.rates {
			try := load{l.Connections, rate, l.Seconds}
			stored, err := s.quiet(ctx)
			if err != nil {
				return err
			}
			out, err := s.send(ctx, try)
			if err != nil {
				return err
			}
			_, took, err := s.drained(ctx, stored+out.Acknowledged, b.plan.drain)
			if err != nil {
				return err
			}
			keeps := out.Late*50 <= out.Planned && out.Failed == 0 && took < 4*time.Second
			b.say("  %s at %d/s: %d of %d more than a second late, p99 %.0f ms, stored %.1f s behind the last: holds %t", c.id, rate, out.Late, out.Planned, out.Latency.P99, took.Seconds(), keeps)
			if !keeps {
				break
			}
			f.Highest, f.PUBACK99 = rate, out.Latency.P99
		}
		return nil
	})
	return f, err
}

// outage takes the store away under load and gives it back.
func (b *bench) outage(ctx context.Context, c contender, l load, round int) (f Figure, err error) {
	f = Figure{Contender: c.id, Phase: "outage", Load: l, Round: round}
	err = b.with(ctx, c, func(s *stack, _ time.Duration) error {
		if s.storeProcess == nil {
			return fmt.Errorf("%s has no store that can be away", c.id)
		}
		if err := s.warm(ctx, l.Connections); err != nil {
			return err
		}
		stored, err := s.quiet(ctx)
		if err != nil {
			return err
		}
		sending, stop := context.WithCancel(ctx)
		defer stop()
		long := l
		long.Seconds = (b.plan.outage * 3).Seconds()
		done := make(chan sent, 1)
		go func() {
			out, _ := s.send(sending, long) // ended from here, or its figures say it
			done <- out
		}()
		if err := s.storeProcess.end(syscall.SIGTERM); err != nil {
			return err
		}
		time.Sleep(b.plan.outage)
		if err := s.storeProcess.start(); err != nil {
			return err
		}
		if err := until(ctx, readyWithin, 50*time.Millisecond, s.store.ready); err != nil {
			return err
		}
		f.CatchUp = b.catchUp(ctx, s, l, stored)
		out := <-done
		now, _, err := s.drained(ctx, stored+out.Acknowledged, b.plan.drain)
		f.Sent, f.Acknowledged, f.Stored = out.Planned, out.Acknowledged, now-stored
		f.Lost, f.Twice = max(0, f.Acknowledged-f.Stored), max(0, f.Stored-f.Sent)
		return err
	})
	return f, err
}

// catchUp is how fast a stack works off the backlog of an outage, in units of the live rate.
func (b *bench) catchUp(ctx context.Context, s *stack, l load, stored int64) float64 {
	began := time.Now()
	for time.Since(began) < 2*b.plan.outage {
		now, err := s.store.count(ctx)
		behind := b.plan.outage + time.Since(began) - time.Duration(float64(now-stored)/float64(l.Rate)*float64(time.Second))
		// A second's worth is what is always on its way, and what connecting has cost.
		if err == nil && behind < 3*time.Second {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	took := time.Since(began)
	return float64(b.plan.outage+took) / float64(took)
}

// kill kills the processes of a stack at random under load, each in turn.
func (b *bench) kill(ctx context.Context, c contender, l load, round int) (f Figure, err error) {
	f = Figure{Contender: c.id, Phase: "kill", Load: l, Round: round}
	err = b.with(ctx, c, func(s *stack, _ time.Duration) error {
		if err := s.warm(ctx, l.Connections); err != nil {
			return err
		}
		stored, err := s.quiet(ctx)
		if err != nil {
			return err
		}
		done := make(chan error, 1)
		var out sent
		go func() {
			var err error
			out, err = s.send(ctx, l)
			done <- err
		}()
		time.Sleep(3 * time.Second)
		for i := range b.plan.kills {
			time.Sleep(time.Duration(500+rand.IntN(1500)) * time.Millisecond)
			p := s.procs[i%len(s.procs)]
			if err := p.end(syscall.SIGKILL); err != nil {
				return err
			}
			if err := p.start(); err != nil {
				return err
			}
			if err := s.await(ctx, time.Now()); err != nil {
				return err
			}
		}
		if err := <-done; err != nil {
			return err
		}
		now, _, err := s.drained(ctx, stored+out.Acknowledged, b.plan.drain)
		f.Sent, f.Acknowledged, f.Stored = out.Planned, out.Acknowledged, now-stored
		f.Lost, f.Twice = max(0, f.Acknowledged-f.Stored), max(0, f.Stored-f.Sent)
		return err
	})
	return f, err
}

// size fills a store with a scenario's days and measures what it takes when it has put its
// files in order.
func (b *bench) size(ctx context.Context, c contender, round int) (f Figure, err error) {
	f = Figure{Contender: c.id, Phase: "size", Round: round}
	err = b.with(ctx, c, func(s *stack, _ time.Duration) error {
		l := load{Connections: b.plan.sizeDevices}
		more := []string{"--at", "now", "--again"}
		if s.url != "" {
			more = append(more, "--register", "--url", s.url)
		}
		out, err := s.replay(ctx, b.plan.scenario, l, more...)
		if err != nil {
			return err
		}
		f.Sent, f.Acknowledged = out.Planned, out.Acknowledged
		f.Bytes, f.Stored, err = s.settled(ctx, filepath.Clean(s.data))
		return err
	})
	return f, err
}
