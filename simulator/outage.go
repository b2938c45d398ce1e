package simulator

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// outageAgain is how soon a lasting outage is told again.
const outageAgain = 10 * time.Second

// outage tells the log about the broker being away and back: for all
// connections together, for five hundred would otherwise say it five hundred
// times.
type outage struct {
	logger *slog.Logger
	broker string // without its password
	now    func() time.Time
	total  int

	mu        sync.Mutex
	connected int
	// waiting is how many connections are still to be made, at first or again.
	waiting int
	away    bool
	told    time.Time
	last    error
}

// newOutage makes one for the given number of connections, none of them made.
func newOutage(o Options, broker string) *outage {
	return &outage{logger: o.Logger, broker: broker, now: o.Now, total: o.Connections, waiting: o.Connections}
}

// failed reports that a connection could not be made or broke.
func (o *outage) failed(err error, retry time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = err
	now := o.now()
	if o.away && now.Sub(o.told) < outageAgain {
		return
	}
	o.away, o.told = true, now
	o.logger.Warn("MQTT broker is away; the simulator keeps trying and sends late what is due meanwhile",
		"broker", o.broker, "error", err, "retry_in", retry, "connected", o.connected, "connections", o.total)
}

// why is why a connection could not be made or broke last.
func (o *outage) why() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last == nil {
		return errors.New("the broker does not answer in time")
	}
	return o.last
}

// opened reports that a connection was made.
func (o *outage) opened() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.connected++
	o.waiting--
	if o.waiting == 0 {
		o.away = false
		o.logger.Info("simulated devices are connected", "broker", o.broker, "connections", o.total)
	}
}

// closed reports that a connection that was made is no more, and whether it had
// nothing left to do.
func (o *outage) closed(done bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.connected--
	if !done {
		o.waiting++
	}
}
