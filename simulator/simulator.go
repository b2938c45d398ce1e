package simulator

import (
	"context"
	"errors"
	"fmt"
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

	counters counters
	outage   *outage
	dialling chan struct{}

	started atomic.Bool
	mu      sync.Mutex // guards the three below
	start   time.Time
	end     time.Time
	ended   bool
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
	return &Simulator{
		o: o, broker: broker, fleet: newFleet(o),
		outage:   newOutage(o, broker.Redacted()),
		dialling: make(chan struct{}, diallingAtOnce),
	}, nil
}

// Fleet is what is simulated.
func (s *Simulator) Fleet() *Fleet { return s.fleet }

// Run connects the devices and sends what they plan from now on. It returns nil
// when the plan has ended and everything is acknowledged, or when ctx has ended
// and what was under way is acknowledged or the grace is over; Stats then has
// what failed. A broker that is away is no error: Run keeps trying, at least
// every 30 s, and says so in the log. It can be called once, and returns only
// after its goroutines have ended.
func (s *Simulator) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return errors.New("run simulator: it has run already")
	}
	start := s.o.Now().Truncate(time.Millisecond)
	var end time.Time
	if s.o.For > 0 {
		end = start.Add(s.o.For)
	}
	s.mu.Lock()
	s.start, s.end = start, end
	s.mu.Unlock()

	hard, release := afterGrace(ctx, s.o.Grace)
	defer release()
	stopProgress := s.progress()
	var links sync.WaitGroup
	for _, l := range s.links(start, end) {
		links.Go(func() { l.run(ctx, hard) })
	}
	links.Wait()

	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	stopProgress()
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

// links deals the devices out over the connections.
func (s *Simulator) links(start, end time.Time) []*link {
	n := s.o.Connections
	links := make([]*link, n)
	for i := range links {
		var devices []int
		for d := i; d < len(s.fleet.devices); d += n {
			devices = append(devices, d)
		}
		l := &link{sim: s, number: i, plan: s.fleet.Plan(start, end, devices...), flight: make(map[uint16]sending)}
		if len(devices) == 1 {
			l.device = &s.fleet.devices[devices[0]]
			l.client = string(l.device.ID)
		} else {
			l.client = fmt.Sprintf("%s-connection-%04d", s.o.Prefix, i+1)
		}
		links[i] = l
	}
	return links
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
		for {
			select {
			case <-ticker.C:
				s.o.Progress(s.Stats())
			case <-quit:
				s.o.Progress(s.Stats())
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}

// Stats is safe to call at any time, from any goroutine.
func (s *Simulator) Stats() Stats {
	s.mu.Lock()
	start, end, ended := s.start, s.end, s.ended
	s.mu.Unlock()
	c := &s.counters
	// Acknowledged is read before Sent and Sent before Planned, so that a
	// snapshot never shows more of the later than of the earlier.
	st := Stats{Acknowledged: c.acknowledged.Load(), Failed: c.failed.Load(), Late: c.late.Load(), Resent: c.resent.Load(),
		States: c.states.Load(), Reconnects: c.reconnects.Load(), Connected: int(c.connected.Load()), Connections: s.o.Connections}
	st.Sent = c.sent.Load()
	switch {
	case start.IsZero():
	case ended:
		st.Planned = st.Sent + c.unsent.Load()
	default:
		by := s.o.Now().Add(1)
		if !end.IsZero() && end.Before(by) {
			by = end
		}
		st.Planned = max(st.Sent, s.fleet.Count(start, by))
	}
	return st
}
