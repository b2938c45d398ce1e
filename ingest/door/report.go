package door

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// maxReports bounds the refusals that wait to be told.
	maxReports = 1024
	// maxLines is how many refusals a second are logged.
	maxLines = 20
)

// reports carries refusals to one goroutine, so that no connection waits for who hears
// of them.
type reports struct {
	waiting chan Refusal
	lost    atomic.Int64
}

// report tells of a refusal. Under a flood some are only counted.
func (d *Door) report(r Refusal) {
	r.Time = d.o.Now()
	r.Username, r.ClientID, r.Topic, r.Reason = clip(r.Username), clip(r.ClientID), clip(r.Topic), clip(r.Reason)
	d.metrics.refused.WithLabelValues(string(r.Kind), fmt.Sprintf("0x%02x", r.Code)).Inc()
	select {
	case d.reports.waiting <- r:
	default:
		d.reports.lost.Add(1)
	}
}

// tell passes refusals on until ctx ends, and those that wait by then.
func (d *Door) tell(ctx context.Context) {
	var second time.Time
	said := 0
	for {
		var r Refusal
		select {
		case r = <-d.reports.waiting:
		case <-ctx.Done():
			select {
			case r = <-d.reports.waiting:
			default:
				return
			}
		}
		if n := d.reports.lost.Swap(0); n > 0 {
			d.o.Logger.Warn("more MQTT clients were refused than could be reported", "refusals", n)
		}
		if r.Time.Sub(second) >= time.Second {
			if said > maxLines {
				d.o.Logger.Warn("more was not logged", "lines", said-maxLines)
			}
			second, said = r.Time, 0
		}
		if said++; said <= maxLines {
			d.o.Logger.Warn("MQTT client refused", "kind", string(r.Kind), "identity", r.Identity, "user", r.Username, "client", r.ClientID,
				"topic", r.Topic, "reason", r.Reason, "code", fmt.Sprintf("0x%02x", r.Code), "remote", r.Remote.String())
		}
		if d.o.OnRefused != nil {
			d.o.OnRefused(r)
		}
	}
}
