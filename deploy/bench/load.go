package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// load is what the simulated devices send: open loop, QoS 1, JSON of ten fields on average, a
// connection for each device.
type load struct {
	Connections int     `json:"connections"`
	Rate        int     `json:"rate"`
	Seconds     float64 `json:"seconds"`
}

func (l load) String() string {
	return fmt.Sprintf("%d connections, %d messages/s", l.Connections, l.Rate)
}

// sent is what the simulator says at its end.
type sent struct {
	Planned      int64
	Acknowledged int64
	Late         int64
	Resent       int64
	Failed       int64
	Reconnects   int64
	Latency      struct {
		P50 float64 `json:"p50_ms"`
		P99 float64 `json:"p99_ms"`
	}
}

// send runs the simulator against a stack and returns what it says.
func (s *stack) send(ctx context.Context, l load, more ...string) (sent, error) {
	var out sent
	args := []string{"simulate", "-n", strconv.Itoa(l.Connections), "--connections", strconv.Itoa(l.Connections), "--rate", fmt.Sprintf("%d/s", l.Rate),
		"--for", fmt.Sprintf("%.0fs", l.Seconds), "--in-flight", "32", "--broker", "tcp://" + s.mqtt, "--json"}
	cmd := exec.CommandContext(ctx, s.programs.haidang, append(args, more...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	text, err := cmd.Output()
	var last []byte
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		last = bytes.Clone(lines.Bytes())
	}
	if e := json.Unmarshal(last, &out); e != nil {
		return out, fmt.Errorf("simulate %s into %s: %w (%.300s)", l, s.id, err, problems.Bytes())
	}
	// Its code says that not all was acknowledged; so do its figures.
	return out, ctx.Err()
}

// warm lets the devices connect once and be known, so that no first time is measured.
func (s *stack) warm(ctx context.Context, connections int) error {
	var more []string
	if s.url != "" {
		more = []string{"--register", "--url", s.url}
	}
	_, err := s.send(ctx, load{connections, min(1000, connections), 4}, more...)
	return err
}

// quiet waits until no more is stored of what came before, and returns how many are.
func (s *stack) quiet(ctx context.Context) (stored int64, err error) {
	last := int64(-1)
	for tries := 0; tries < 30; tries++ {
		if stored, err = s.store.count(ctx); err == nil && stored == last {
			return stored, nil
		}
		last = stored
		select {
		case <-ctx.Done():
			return stored, ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
	return stored, err
}

// drained waits until so many messages are stored, and returns how many are, and how long
// that took.
func (s *stack) drained(ctx context.Context, want int64, within time.Duration) (int64, time.Duration, error) {
	began := time.Now()
	for {
		n, err := s.store.count(ctx)
		took := time.Since(began)
		if ctx.Err() != nil {
			return n, took, ctx.Err()
		}
		if err == nil && n >= want || took > within {
			return n, took, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}
