package door

import (
	"sync"
	"time"
)

// rateBurst is over how long a rate is meant: what a device has not sent for that long it
// may send at once, so that a store of readings is emptied quickly after an outage.
const rateBurst = time.Minute

// rate is a bucket of messages that may be sent. Connections of one device share it.
type rate struct {
	perSecond float64

	mu    sync.Mutex
	level float64
	at    time.Time
	// told is when its exhaustion was last told.
	told time.Time
}

func newRate(perSecond float64, now time.Time) *rate {
	return &rate{perSecond: perSecond, level: perSecond * rateBurst.Seconds(), at: now}
}

// take takes n messages' worth and says how long to wait before they may go on: the
// bucket may be overdrawn by who then waits.
func (r *rate) take(n float64, now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := now.Sub(r.at); d > 0 {
		r.level = min(r.level+d.Seconds()*r.perSecond, r.perSecond*rateBurst.Seconds())
		r.at = now
	}
	r.level -= n
	if r.level >= 0 {
		return 0
	}
	return time.Duration(-r.level / r.perSecond * float64(time.Second))
}

// give gives back what was taken and not used.
func (r *rate) give(n float64) {
	if r != nil {
		r.mu.Lock()
		r.level += n
		r.mu.Unlock()
	}
}

// tell says whether it is time to tell that the bucket is empty: once a minute.
func (r *rate) tell(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.told.IsZero() && now.Sub(r.told) < time.Minute {
		return false
	}
	r.told = now
	return true
}
