package tape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Player plays a tape to a broker, over one connection and so in the tape's order.
// It is an open loop: a broker that is slow changes nothing about when the next
// message is due, and what could not be sent in time is sent late and counted.
type Player struct {
	Broker Broker
	// Speed is how many times faster than it was recorded; 0 is as fast as the
	// broker takes it.
	Speed float64
	// Shift moves the event times in native payloads so that the tape's last
	// moment is the replay's. Whatever the speed, nothing is then in the future.
	Shift bool
	// Topics are the MQTT filters of what is played; none is everything.
	Topics []string
	// From and To bound what is played by when it was received; zero is open.
	From, To time.Time
	// Loop plays again and again, until the context ends.
	Loop bool
	// InFlight is how many messages may wait for their acknowledgement, 200 if 0.
	InFlight int
	Now      func() time.Time
	Logger   *slog.Logger
	// Progress, if set, is called about every second and once at the end.
	Progress func(Played)
}

// Played is how far a replay is.
type Played struct {
	// Sent messages are out, Acknowledged of these the broker has for certain:
	// all of quality of service 0 count as soon as they are written.
	Sent         uint64 `json:"sent"`
	Acknowledged uint64 `json:"acknowledged"`
	// Late are those that went out more than a second after they were due, Resent
	// those whose connection broke under them: some the broker has twice.
	Late   uint64 `json:"late"`
	Resent uint64 `json:"resent"`
	// At is how far on the tape's time line it is, of First to Last.
	At    time.Time `json:"at,omitzero"`
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	Round int       `json:"round"`
	// Cut says that the tape ended in the middle of a block.
	Cut bool `json:"cut,omitempty"`
}

// Run plays until the tape or ctx has ended, and everything sent is acknowledged
// or ctx has ended for some seconds. A broker that cannot be reached at the start
// is an error; one that goes away later is waited for.
func (p *Player) Run(ctx context.Context, r *Reader) (Played, error) {
	if p.InFlight <= 0 {
		p.InFlight = 200
	}
	span, err := r.Span()
	if err != nil {
		return Played{}, fmt.Errorf("read tape: %w", err)
	}
	pl := &play{Player: p, r: r}
	pl.done.First, pl.done.Last = later(span.First, p.From), span.Last
	if !p.To.IsZero() && p.To.Before(span.Last) {
		pl.done.Last = p.To
	}
	if span.Messages == 0 {
		return pl.done, errors.New("play tape: there is no message on it")
	}
	if pl.done.Last.Before(pl.done.First) {
		return pl.done, fmt.Errorf("play tape: it has nothing between the times asked for: it goes from %s to %s",
			span.First.Format(time.RFC3339), span.Last.Format(time.RFC3339))
	}
	if pl.client, err = pl.connect(ctx); err != nil {
		return pl.done, fmt.Errorf("connect to broker %s: %w", redacted(p.Broker.URL), err)
	}
	defer func() { pl.client.Disconnect(250) }()
	for pl.done.Round = 1; ; pl.done.Round++ {
		if err := pl.round(ctx); err != nil || !p.Loop || ctx.Err() != nil {
			return pl.finish(ctx, err)
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// play is one run of a Player.
type play struct {
	*Player
	r      *Reader
	client mqtt.Client
	flight []sent
	done   Played
	told   time.Time
}

// sent is a message that waits for its acknowledgement.
type sent struct {
	m     Message
	token mqtt.Token
}

// round plays the tape once.
func (p *play) round(ctx context.Context) error {
	start := p.Now()
	offset := time.Duration(0)
	if p.Shift {
		offset = start.Add(p.stretch(p.done.Last)).Sub(p.done.Last)
	}
	p.r.From(p.From)
	for {
		m, err := p.r.Next()
		switch {
		case errors.Is(err, ErrCut):
			p.done.Cut = true
			return nil
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read tape: %w", err)
		case !p.To.IsZero() && m.At.After(p.To):
			continue // a clock that was set back may bring more
		case !matchesAny(p.Topics, m.Topic):
			continue
		}
		due := start.Add(p.stretch(m.At))
		if p.Speed > 0 {
			if !p.wait(ctx, due) {
				return nil
			}
			if p.Now().Sub(due) > time.Second {
				p.done.Late++
			}
		}
		p.done.At = m.At
		if p.Shift {
			m.Payload = shiftTime(m.Payload, offset)
		}
		if err := p.send(ctx, m); err != nil {
			return nil // ctx has ended
		}
	}
}

// stretch is how long after the start a moment of the tape is due.
func (p *play) stretch(at time.Time) time.Duration {
	if p.Speed <= 0 {
		return 0
	}
	return time.Duration(float64(at.Sub(p.done.First)) / p.Speed)
}

// wait waits for the time, telling of progress; false if ctx ended.
func (p *play) wait(ctx context.Context, due time.Time) bool {
	for {
		p.settle()
		p.tell()
		left := due.Sub(p.Now())
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(left, time.Second))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		}
	}
}

// send publishes a message when there is room in flight for it. Its only error is
// that ctx has ended.
func (p *play) send(ctx context.Context, m Message) error {
	for {
		for len(p.flight) >= p.InFlight {
			p.tell()
			if err := p.oldest(ctx); err != nil {
				return err
			}
		}
		if p.client.IsConnectionOpen() {
			break
		}
		if err := p.reconnect(ctx); err != nil {
			return err
		}
	}
	p.flight = append(p.flight, sent{m, p.client.Publish(m.Topic, m.QoS, m.Retain, m.Payload)})
	p.done.Sent++
	p.settle()
	p.tell()
	return ctx.Err()
}

// oldest waits until the oldest message in flight is acknowledged.
func (p *play) oldest(ctx context.Context) error {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-p.flight[0].token.Done():
		if p.flight[0].token.Error() != nil {
			return p.reconnect(ctx)
		}
		p.settle()
	case <-timer.C:
		if !p.client.IsConnectionOpen() {
			return p.reconnect(ctx)
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// settle takes out of flight, in order, what is acknowledged.
func (p *play) settle() {
	n := 0
	for n < len(p.flight) && acknowledged(p.flight[n].token) {
		n++
	}
	p.done.Acknowledged += uint64(n)
	p.flight = p.flight[n:]
}

// acknowledged reports whether a token has completed well by now.
func acknowledged(t mqtt.Token) bool {
	select {
	case <-t.Done():
		return t.Error() == nil
	default:
		return false
	}
}

// connect makes one connection.
func (p *play) connect(ctx context.Context) (mqtt.Client, error) {
	c := mqtt.NewClient(p.Broker.options("replay").SetCleanSession(true).SetAutoReconnect(false).SetWriteTimeout(connectTimeout).
		SetConnectionLostHandler(func(mqtt.Client, error) {})) // seen by its messages' tokens
	return c, await(ctx, c.Connect())
}

// reconnect tries until the broker is there again, and sends once more what it has
// not acknowledged.
func (p *play) reconnect(ctx context.Context) error {
	p.client.Disconnect(0)
	wait := 250 * time.Millisecond
	for {
		c, err := p.connect(ctx)
		if err == nil {
			p.client = c
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.Logger.Warn("the broker is gone; trying again", "error", err, "in", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		wait = min(2*wait, maxReconnect)
	}
	for i := range p.flight {
		f := &p.flight[i]
		f.token = p.client.Publish(f.m.Topic, f.m.QoS, f.m.Retain, f.m.Payload)
		p.done.Resent++
	}
	return nil
}

// finish waits for the last acknowledgements.
func (p *play) finish(ctx context.Context, err error) (Played, error) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
	defer cancel()
	if ctx.Err() == nil { // the tape has ended: a broker that is away is waited for
		last = ctx
	}
	for len(p.flight) > 0 && p.oldest(last) == nil {
		p.tell()
	}
	if n := len(p.flight); n > 0 && err == nil {
		err = fmt.Errorf("play tape: %d messages were sent and never acknowledged", n)
	}
	p.told = time.Time{}
	p.tell()
	return p.done, err
}

// tell reports progress, once a second.
func (p *play) tell() {
	if now := p.Now(); p.Progress != nil && now.Sub(p.told) >= time.Second {
		p.told = now
		p.Progress(p.done)
	}
}
