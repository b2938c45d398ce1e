package simulator

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// diallingAtOnce bounds how many connections are being made at a time.
	diallingAtOnce = 64
	progressEvery  = time.Second
)

// Simulator sends a fleet's plan to a broker, once.
type Simulator struct {
	o      Options
	broker *url.URL
	fleet  *Fleet

	// devices are those that take part.
	devices []int

	counters  counters
	latencies *latencies
	outage    *outage
	dialling  chan struct{}
	// stop ends a run for a reason.
	stop context.CancelCauseFunc
	// begun is closed when there is a plan, expected how many connections it waits
	// for.
	begun    chan struct{}
	expected atomic.Int64

	started atomic.Bool
	mu      sync.Mutex // guards what is below
	// schedule is how clock and time line go together, end where on the time line
	// the plan ends, zero for never.
	schedule schedule
	end      time.Time
	links    []*link
	// tally counts what is due of a scenario.
	tally *tally
	// ended is when Run returned.
	ended time.Time
}

// New makes a simulator; nothing is sent before Run. An error names every option
// that is wrong by its flag.
func New(o Options) (*Simulator, error) {
	o, err := o.check()
	if err := errors.Join(err, o.checkSending()); err != nil {
		return nil, err
	}
	broker, err := parseBroker(o.Broker)
	if err != nil {
		return nil, err
	}
	if o.Username == "" && broker.User != nil {
		o.Username = broker.User.Username()
		o.Password, _ = broker.User.Password()
	}
	s := &Simulator{
		o: o, broker: broker, fleet: o.Fleet, devices: o.Only, latencies: newLatencies(),
		outage:   newOutage(o, broker.Redacted()),
		dialling: make(chan struct{}, diallingAtOnce), begun: make(chan struct{}),
	}
	if s.fleet == nil {
		s.fleet = newFleet(o)
		s.devices = s.fleet.Sample(0)
	}
	return s, nil
}

// Fleet is what is simulated.
func (s *Simulator) Fleet() *Fleet { return s.fleet }

// Run connects the devices and sends what they plan from now on. It returns nil
// when the plan has ended and everything is acknowledged, or when ctx has ended
// and what was under way is acknowledged or the grace is over; Stats then has
// what failed. A broker that is away is no error: Run keeps trying, at least
// every 30 s, and says so in the log; if the options demand it, it must be there
// at the start, and the plan begins when all have connected. Run can be called once, and returns only after its goroutines
// have ended.
func (s *Simulator) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return errors.New("run simulator: it has run already")
	}
	if s.o.Demanding {
		if err := s.try(ctx); err != nil {
			return err
		}
	}
	ctx, s.stop = context.WithCancelCause(ctx)
	defer s.stop(nil)
	links := s.deal()
	s.expected.Store(int64(len(links)))
	if !s.o.Demanding {
		s.begin(links)
	}

	hard, release := afterGrace(ctx, s.o.Grace)
	defer release()
	stopProgress := s.progress()
	var running sync.WaitGroup
	for _, l := range links {
		running.Go(func() { l.run(ctx, hard) })
	}
	if s.o.Demanding {
		s.gather(ctx, links)
	}
	running.Wait()

	s.mu.Lock()
	s.ended = s.o.Now()
	s.mu.Unlock()
	stopProgress()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// patience is how long gathering goes on without another connection.
const patience = 30 * time.Second

// gather begins when all connections are made: a thousand devices that send while
// the others are still connecting are not the load that was asked for.
func (s *Simulator) gather(ctx context.Context, links []*link) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, since := s.expected.Load(), time.Now()
	for {
		now := s.expected.Load()
		switch {
		case now <= 0:
			s.begin(links)
			return
		case now < last:
			last, since = now, time.Now()
		case time.Since(since) > patience:
			s.stop(fmt.Errorf("connect to broker %s: only %d of %d connections can be made: %w", s.broker.Redacted(), len(links)-int(now), len(links), s.outage.why()))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// begin gives the connections their plan.
func (s *Simulator) begin(links []*link) {
	now := s.o.Now().Truncate(time.Millisecond)
	sched, end := schedule{began: now, from: now, speed: 1}, time.Time{}
	switch {
	case s.o.Fleet != nil:
		sched.from, sched.speed, sched.unpaced = s.o.From, s.o.Speed, s.o.Unpaced
		end = s.o.To
	case s.o.For > 0:
		end = now.Add(s.o.For)
	}
	for _, l := range links {
		l.schedule, l.plan = sched, s.fleet.Plan(sched.from, end, l.devices...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(s.begun)
	s.schedule, s.end, s.links = sched, end, links
	if s.o.Fleet != nil && !sched.unpaced {
		s.tally = newTally(s.fleet, sched.from, s.devices)
	}
}

// try connects once, as the first device, to see whether the broker lets us in.
func (s *Simulator) try(ctx context.Context) error {
	l := s.newLink(0, s.devices[:1:1])
	if s.o.Connections < len(s.devices) {
		l.share()
	}
	w, err := openWire(ctx, s.broker, s.o.TLS, l.credentials())
	if err != nil {
		return fmt.Errorf("connect to broker %s: %w", s.broker.Redacted(), err)
	}
	_ = w.disconnect() // it let us in; that is all we wanted to know
	w.close()
	return nil
}

// afterGrace is a context that ends the given time after ctx has, or when it is
// released.
func afterGrace(ctx context.Context, grace time.Duration) (hard context.Context, release func()) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-ctx.Done():
		case <-hard.Done():
			return
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-hard.Done():
		}
	})
	return hard, func() { cancel(); waiting.Wait() }
}

// deal deals the devices out over the connections.
func (s *Simulator) deal() []*link {
	n := s.o.Connections
	links := make([]*link, n)
	for i := range links {
		var devices []int
		for d := i; d < len(s.devices); d += n {
			devices = append(devices, s.devices[d])
		}
		links[i] = s.newLink(i, devices)
	}
	return links
}

// newLink is a connection of some devices, without anything to send.
func (s *Simulator) newLink(number int, devices []int) *link {
	l := &link{sim: s, number: number, devices: devices, room: make(chan struct{}, 1), flight: make(map[uint16]sending)}
	if len(devices) == 1 {
		l.device = &s.fleet.devices[devices[0]]
		l.client = string(l.device.ID)
	} else {
		l.share()
	}
	return l
}

// progress reports until the function it returns is called, which reports for
// the last time.
func (s *Simulator) progress() (stop func()) {
	if s.o.Progress == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		last, at := uint64(0), s.o.Now()
		for {
			select {
			case <-ticker.C:
				sent, now := s.counters.sent.Load(), s.o.Now()
				s.counters.rate.Store(math.Float64bits(perSecond(sent-last, now.Sub(at))))
				last, at = sent, now
				s.o.Progress(s.Stats())
			case <-quit:
				s.counters.rate.Store(0)
				s.o.Progress(s.Stats())
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// Stats is safe to call at any time, from any goroutine.
func (s *Simulator) Stats() Stats {
	s.mu.Lock()
	sched, end, ended := s.schedule, s.end, s.ended
	s.mu.Unlock()
	c := &s.counters
	// Acknowledged is read before Sent and Sent before Planned, so that a
	// snapshot never shows more of the later than of the earlier.
	st := Stats{Acknowledged: c.acknowledged.Load(), Failed: c.failed.Load(), Late: c.late.Load(), Resent: c.resent.Load(), Withheld: c.withheld.Load(),
		States: c.states.Load(), Reconnects: c.reconnects.Load(), Connected: int(c.connected.Load()), Connections: s.o.Connections,
		Rate: math.Float64frombits(c.rate.Load()), Latency: s.latencies.summary()}
	st.Sent = c.sent.Load()
	if sched.began.IsZero() {
		return st
	}
	now := ended
	if now.IsZero() {
		now = s.o.Now()
	}
	st.MeanRate = perSecond(st.Sent, now.Sub(sched.began))
	if s.o.Fleet != nil {
		st.From, st.To, st.At = s.o.From, s.o.To, s.position(now)
	}
	by := sched.line(now).Add(1)
	if !end.IsZero() && end.Before(by) {
		by = end
	}
	switch {
	case !ended.IsZero():
		st.Planned = st.Sent + c.unsent.Load() + st.Withheld
	case sched.unpaced:
		st.Planned = st.Sent + st.Withheld
	case s.tally != nil:
		st.Planned = max(st.Sent+st.Withheld, s.tally.before(by))
	default:
		st.Planned = max(st.Sent, s.fleet.Count(sched.from, by))
	}
	return st
}

// position is how far on the time line sending is: the time it is there, or, where
// messages wait for nothing but room, the one up to which all are sent.
func (s *Simulator) position(now time.Time) time.Time {
	sent := s.o.To
	for _, l := range s.links {
		if t := s.o.From.Add(time.Duration(l.reached.Load())); t.Before(sent) {
			sent = t
		}
	}
	at := s.schedule.line(now)
	if s.schedule.unpaced || sent.Equal(s.o.To) || at.After(s.o.To) {
		return sent
	}
	return at
}
