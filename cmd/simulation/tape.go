package simulation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/simulator/tape"
)

// messageFlags say which broker a tool speaks to.
type messageFlags struct {
	Broker         string `env:"HAIDANG_BROKER" default:"tcp://127.0.0.1:1883" help:"MQTT broker, tcp://HOST:1883 or ssl://HOST:8883." placeholder:"tcp://127.0.0.1:1883"`
	BrokerUser     string `env:"HAIDANG_BROKER_USER" help:"User at the broker." placeholder:"NAME"`
	BrokerPassword string `env:"HAIDANG_BROKER_PASSWORD" help:"Its password; better given in the environment." placeholder:"SECRET"`
}

func (f messageFlags) broker() tape.Broker {
	return tape.Broker{URL: f.Broker, Username: f.BrokerUser, Password: f.BrokerPassword}
}

// Record is `haidang record`: what a broker has to say, to a tape.
type Record struct {
	messageFlags
	Out      string            `required:"" short:"o" help:"Tape to write; a file that exists is left alone." placeholder:"FILE"`
	Topic    []string          `default:"kh/#" sep:"none" help:"MQTT filter to record; may be given more than once." placeholder:"FILTER"`
	QoS      byte              `name:"qos" default:"1" help:"Quality of service asked for, 0, 1 or 2." placeholder:"1"`
	ClientID string            `name:"client-id" help:"Session at the broker. With the same one, what came while no recording ran is on the next tape." placeholder:"NAME"`
	For      terminal.Duration `help:"How long; until Ctrl-C if left out." placeholder:"1h"`
	JSON     bool              `name:"json" help:"Print progress as JSON lines."`
	terminal.LogFlags
}

// Help is kong's detailed help.
func (Record) Help() string {
	return `Examples:
  haidang record -o city.tape                                     everything of the city, until Ctrl-C
  haidang record -o flood.tape --topic 'kh/+/water_level/#' --for 6h
  zstdcat city.tape | jq -r .topic | sort | uniq -c               what is on it

A message is acknowledged to the broker once it is on disk. A tape whose recording
was killed is read to its last whole line. What gateways send themselves to prove their way is left out.`
}

// Run records.
func (c *Record) Run(ctx context.Context, out *terminal.Output) (err error) {
	if c.QoS > 2 {
		return fmt.Errorf("--qos is %d: give 0, 1 or 2", c.QoS)
	}
	b := c.broker()
	b.ClientID = c.ClientID
	w, err := tape.Create(c.Out, tape.Header{Made: time.Now(), Source: terminal.Redact(c.Broker), Topics: c.Topic, Program: "haidang " + terminal.Version})
	if err != nil {
		return err
	}
	var done tape.Recorded
	defer func() {
		err = errors.Join(err, w.Close())
		if err != nil && done.Messages == 0 { // it would only stand in the way of the next attempt
			err = errors.Join(err, os.Remove(c.Out))
		}
	}()
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(c.For))
		defer cancel()
	}
	show := terminal.NewCourse(out, c.JSON)
	r := &tape.Recorder{Broker: b, Topics: c.Topic, QoS: c.QoS, Out: w, Now: time.Now, Skip: isCanary, Logger: c.Logger(out.Stderr), Progress: func(p tape.Recorded) {
		done = p
		state := ""
		if !p.Connected {
			state = "   waiting for the broker"
		}
		show.Line(p, fmt.Sprintf("recorded %s, %s%s", terminal.Messages(int64(p.Messages)), terminal.BytesText(p.Bytes), state))
	}}
	err = r.Run(ctx)
	show.End()
	return err
}

// isCanary reports whether a message is a gateway's to itself, which nobody measured.
func isCanary(topic string, payload []byte) bool {
	_, canary := codec.ParseCanary(topic, payload)
	return canary
}

// Replay is `haidang replay`: a tape, to a broker.
type Replay struct {
	Tape string `arg:"" type:"existingfile" help:"Tape to play."`
	messageFlags
	Speed      string           `default:"1x" help:"How many times faster than it was recorded, such as 1x or 10x, or max." placeholder:"1x"`
	ShiftToNow bool             `xor:"times" help:"Move the event times so that the tape's last moment is the replay's."`
	KeepTimes  bool             `xor:"times" help:"Leave the event times as they are (the default)."`
	Topics     []string         `name:"topics" sep:"none" help:"Only topics within this MQTT filter; may be given more than once." placeholder:"FILTER"`
	From       terminal.Instant `help:"Only what was received at this time or later." placeholder:"TIME"`
	To         terminal.Instant `help:"Only what was received until this time." placeholder:"TIME"`
	Loop       bool             `help:"Again and again, until Ctrl-C."`
	City       string           `name:"url" env:"HAIDANG_URL" default:"http://127.0.0.1:8080" help:"City that takes it: asked whether it already holds the tape's times." placeholder:"http://127.0.0.1:8080"`
	Token      string           `env:"HAIDANG_TOKEN" help:"API token for that; better given in the environment." placeholder:"SECRET"`
	Again      bool             `help:"Play even if the city already holds readings of these devices and times."`
	JSON       bool             `name:"json" help:"Print progress as JSON lines."`
	terminal.LogFlags
}

// Help is kong's detailed help.
func (Replay) Help() string {
	return `Examples:
  haidang replay city.tape --shift-to-now                   as it happened, as if it were now
  haidang replay city.tape --speed 10x --keep-times
  haidang replay flood.tape --speed max --from 2025-11-19T18:00 --to 2025-11-20T06:00 --topics 'kh/+/water_level/#'

Times without a zone are those of Vietnam. The exit code is 1 if a message was not
acknowledged.`
}

// Run replays.
func (c *Replay) Run(ctx context.Context, out *terminal.Output) error {
	speed, err := parseSpeed(c.Speed)
	if err != nil {
		return err
	}
	in, err := tape.Open(c.Tape)
	if err != nil {
		return err
	}
	defer in.Close()
	if !c.ShiftToNow && !c.Again {
		if err := c.checkHeld(ctx, in, out.Stderr); err != nil {
			return err
		}
	}
	show := terminal.NewCourse(out, c.JSON)
	p := &tape.Player{Broker: c.broker(), Speed: speed, Shift: c.ShiftToNow, Topics: c.Topics, From: time.Time(c.From), To: time.Time(c.To),
		Loop: c.Loop, Now: time.Now, Logger: c.Logger(out.Stderr), Progress: func(p tape.Played) { show.Line(p, playedText(p)) }}
	done, err := p.Run(ctx, in)
	show.End()
	if err == nil && done.Cut {
		fmt.Fprintln(out.Stderr, "The tape ends in the middle of a block, as one whose recording was killed; all before that was played.")
	}
	return err
}

// playedText is one line for a terminal.
func playedText(p tape.Played) string {
	if p.At.IsZero() {
		return "connecting"
	}
	share := 1.0
	if all := p.Last.Sub(p.First); all > 0 {
		share = min(1, float64(p.At.Sub(p.First))/float64(all))
	}
	text := fmt.Sprintf("%s  at %s  sent %s  acknowledged %s", terminal.ProgressBar(share), p.At.In(terminal.Vietnam()).Format("2006-01-02 15:04:05"), terminal.Grouped(int64(p.Sent)), terminal.Grouped(int64(p.Acknowledged)))
	for _, more := range []struct {
		name string
		n    uint64
	}{{"late", p.Late}, {"resent", p.Resent}} {
		if more.n > 0 {
			text += fmt.Sprintf("  %s %s", more.name, terminal.Grouped(int64(more.n)))
		}
	}
	if p.Round > 1 {
		text += fmt.Sprintf("  round %d", p.Round)
	}
	return text
}

// parseSpeed reads 10x, 0.5x or max, which is 0.
func parseSpeed(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	var x float64
	if _, err := fmt.Sscanf(strings.TrimSuffix(s, "x")+" ", "%g ", &x); err != nil || !(x > 0 && x <= 1e6) {
		return 0, fmt.Errorf("--speed is %q: write it as 1x, 0.5x or 60x, or max for as fast as the broker takes it", s)
	}
	return x, nil
}
