package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxHeals is how often in a row a subscription is made anew.
const maxHeals = 3

// judge says how a gateway's canaries do. why excuses it: then none ages.
func (c *Canaries) judge(ctx context.Context, p *path, why string) {
	passed, err := uint64(0), error(nil)
	epoch, some := c.inJournal(p)
	if why == "" && some {
		passed, err = c.Journal.Processed(ctx, Sequence{p.name, epoch})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	heard := p.passed()
	flows := heard > p.heard
	p.heard = heard
	switch {
	case why != "":
		p.note = "waits, for another reason is known: " + why
		return
	case err != nil:
		p.note = "waits, for the journal does not answer: " + err.Error()
		return
	case p.cut >= maxCut:
		return
	}
	if c.Reader == nil {
		c.leave(p, epoch, passed)
	}
	for _, f := range p.flights {
		f.looks++
	}
	c.giveUp(p)
	i := slices.IndexFunc(p.flights, func(f *flight) bool { return !f.overtaken })
	if i < 0 {
		return
	}
	f := p.flights[i]
	f.still++
	if c.getsOn(p, f, flows, epoch, passed) {
		f.still = 0
	}
	switch {
	case f.still >= c.Patience && f.stage == stageAcked && !p.arrived && !p.own() && heard > 0:
		c.report(p, noRight(p))
	case f.still >= c.Patience:
		c.report(p, missing(p, f))
		c.heal(p, f)
	case f.looks > c.Patience && !p.broken:
		p.note = fmt.Sprintf("late, behind messages that get on: sent at %s, %s", localTime(f.sent), p.standing(f.stage).en)
	}
}

// inJournal is the epoch of the oldest canary that is in the journal, as far as is
// known.
func (c *Canaries) inJournal(p *path) (Epoch, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(p.flights, func(f *flight) bool { return f.stage == stageJournal || f.stage == stageUnanswered })
	if i < 0 {
		return "", false
	}
	return p.flights[i].epoch, true
}

// getsOn reports whether what is before the oldest canary got on since the look before.
func (c *Canaries) getsOn(p *path, f *flight, flows bool, epoch Epoch, passed uint64) bool {
	switch f.stage {
	case stageAcked:
		for _, later := range p.flights {
			if later.stage >= stageDelivered {
				return false // a topic's messages come in their order: it is lost
			}
		}
		return flows && (p.arrived || f.looks < 3*c.Patience)
	case stageDelivered:
		return flows
	case stageJournal:
		if f.epoch == epoch && passed > f.place { // twice in a row: what is taken is noted at once
			gone := f.passedAbove
			f.passedAbove = true
			if gone {
				f.still = c.Patience
			}
			return false
		}
		return c.moves
	default:
		return false
	}
}

// leave ends following what the loader, in another process, has dealt with.
func (c *Canaries) leave(p *path, epoch Epoch, passed uint64) {
	for i := len(p.flights) - 1; i >= 0; i-- {
		if f := p.flights[i]; f.stage >= stageJournal && f.epoch == epoch && passed > f.place && c.arrives(p, i) {
			return
		}
	}
}

// judgeAbsent misses the canaries of a gateway in another process.
func (c *Canaries) judgeAbsent(p *path, why string, state JournalState) {
	var a Account
	for _, one := range c.Accounts() {
		if one.Gateway == p.name {
			a.Canary += one.Canary
		}
		if one.Sequence() == (Sequence{p.name, state.Epoch}) {
			a.Position = one.Position
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := state.Positions[Sequence{p.name, state.Epoch}] > a.Position
	switch {
	case why != "":
		p.note = "waits, for another reason is known: " + why
		return
	case len(p.flights) > 0:
		f := p.flights[0]
		if f.still++; f.still >= c.Patience {
			c.report(p, missing(p, f))
		}
		return
	case a.Canary == 0 && !p.arrived:
		p.absent = 0 // it has never sent one: an older program, or one switched off
		return
	case waiting && c.moves:
		if p.absent > looksPerCanary && !p.broken {
			p.note = "late, behind messages in the journal that get on"
		}
		return
	}
	if p.absent++; p.absent >= c.Patience+looksPerCanary {
		f := &flight{stage: stageNone, sent: p.lastGood}
		if waiting {
			f.stage = stageJournal
		}
		c.report(p, missing(p, f))
	}
}

// readBack asks the store for the canaries that are counted, and ends following those
// that it has.
func (c *Canaries) readBack(ctx context.Context) {
	if c.Reader == nil {
		return
	}
	from, to := c.counted()
	if from.IsZero() {
		return
	}
	found := map[uint64]bool{}
	q := store.Query{Kind: telemetry.CanaryKind, Metrics: []telemetry.Metric{telemetry.CanaryNumber}, Sites: []telemetry.Site{telemetry.PlatformSite},
		From: from.Add(-time.Second), To: to.Add(time.Second)}
	if err := c.Reader.Samples(ctx, q, func(s store.Sample) { found[uint64(s.Number)] = true }); err != nil {
		c.Logger.Warn("cannot read canaries back from the store; trying again", "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.paths {
		for i := len(p.flights) - 1; i >= 0; i-- {
			if found[p.flights[i].number] && c.arrives(p, i) {
				break
			}
		}
	}
}

// arrives ends following a canary that is where it was to go, if its sender has the
// acknowledgement too: who has none sends for ever.
func (c *Canaries) arrives(p *path, i int) bool {
	f := p.flights[i]
	if p.route != nil && !f.answered {
		f.stage = stageUnanswered
		return false
	}
	c.through(p, i)
	return true
}

// counted is the time of the canaries that are to be read back; zero if none are.
func (c *Canaries) counted() (from, to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.paths {
		for _, f := range p.flights {
			if f.stage < stageSettled || f.stage == stageNone {
				continue
			}
			if from.IsZero() || f.at.Before(from) {
				from = f.at
			}
			if f.at.After(to) {
				to = f.at
			}
		}
	}
	return from, to
}

// giveUp ends following canaries that were acknowledged, that a later one has overtaken,
// and that have not come since: a broker keeps the order of a topic, but for what it
// sends again after a while. Each is a loss.
func (c *Canaries) giveUp(p *path) {
	lost := 0
	p.flights = slices.DeleteFunc(p.flights, func(f *flight) bool {
		gone := f.overtaken && f.looks >= c.Patience
		if gone {
			lost++
		}
		return gone
	})
	if lost > 0 {
		p.lost += lost
		c.Findings.Report(loss(p, p.locality, p.lastGood))
	}
}

// through ends following a canary that has come through, and those before it, unless
// they may be lost.
func (c *Canaries) through(p *path, i int) {
	f := p.flights[i]
	var wait []*flight
	for _, before := range p.flights[:i] {
		owed := before.stage >= stageAcked && before.stage < stageSettled && (p.route == nil || before.answered)
		if owed && (p.elsewhere() || p.own() || p.took > 0) {
			before.overtaken = true
			wait = append(wait, before)
		}
	}
	if len(wait) > 0 && p.lostSince.IsZero() {
		p.lostSince = p.lastGood
	}
	if p.broken {
		c.Logger.Info("canaries come through again", "gateway", p.name, "subscription", p.filter)
		p.broken = false
		if !c.otherBroken(p) {
			c.Findings.Resolve(canaryRule, p.locality, telemetry.Device(p.name))
		}
	}
	p.flights = append(wait, p.flights[i+1:]...)
	p.arrived, p.lastGood, p.took, p.note, p.heals = true, f.sent, max(c.Now().Sub(f.sent), 1), "", 0
}

// otherBroken reports whether another subscription of the same gateway is broken.
func (c *Canaries) otherBroken(p *path) bool {
	for _, other := range c.paths {
		if other != p && other.name == p.name && other.locality == p.locality && other.broken {
			return true
		}
	}
	return false
}

// report reports what is wrong with a path.
func (c *Canaries) report(p *path, n Finding) {
	n.Rule, n.Locality, n.Device = canaryRule, p.locality, telemetry.Device(p.name)
	if n.Value = c.Now().Sub(p.lastGood).Round(time.Minute).Seconds(); n.Value == 0 {
		n.Value = c.Now().Sub(p.lastGood).Round(time.Second).Seconds()
	}
	n.Unit = "s"
	if !p.broken || p.note != n.DescriptionEN {
		c.Logger.Error("a gateway's message to itself does not come through", "gateway", p.name, "subscription", p.filter, "reason", n.DescriptionEN)
	}
	p.broken, p.note = true, n.DescriptionEN
	c.Findings.Report(n)
}

// heal makes anew a subscription whose messages are acknowledged and not delivered: a
// session may have lost its consumer. To give it up for a moment loses what waits for
// it, so that is done only where nothing can: where a canary has proved the way before.
func (c *Canaries) heal(p *path, f *flight) {
	if p.route != nil {
		return // nothing is subscribed to
	}
	client := p.gateway.session.Load()
	if f.stage != stageAcked || f.still%c.Patience != 0 || p.heals >= maxHeals || client == nil {
		return
	}
	p.heals++
	p.next = 1 // the next look, by which it is done, sends one to see
	anew := p.arrived
	c.Logger.Warn("subscribing anew, for the broker acknowledges messages and delivers none", "gateway", p.name, "subscription", p.filter, "given up before", anew)
	go resubscribe(*client, p.filter, anew)
}

// resubscribe subscribes to a filter again. What goes wrong shows in the next canary.
func resubscribe(client mqtt.Client, filter string, anew bool) {
	if anew {
		client.Unsubscribe(filter).WaitTimeout(maxBackoff)
	}
	client.Subscribe(filter, 1, nil).WaitTimeout(maxBackoff)
}
