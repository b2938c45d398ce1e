package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// patience ends waits that would otherwise hang; it is no expectation.
	patience = 3 * time.Minute
	// stopWithin ends the wait for a stop in order, which has 10 s of its own.
	stopWithin = 20 * time.Second
	logTail    = 8 << 10
)

// process is a program that runs, may be killed and started again with the same
// arguments. Its methods belong to the goroutine of the test.
type process struct {
	t           *testing.T
	name        string
	program     string
	arguments   []string
	environment []string // beside that of the test
	// url is where its HTTP listener is. At url+probe it answers 200 when it is
	// ready.
	url, probe string
	// trust is how TLS is spoken to it, where its url begins with https.
	trust *tls.Config
	log   string

	cmd   *exec.Cmd
	began time.Time
	ended chan struct{}
	err   error // its end; read it after ended
}

// haidang starts a command of the program with a free HTTP port.
func haidang(t *testing.T, command string, arguments ...string) *process {
	t.Helper()
	return haidangWith(t, nil, command, arguments...)
}

// haidangWith does so with variables of its own, NAME=value.
func haidangWith(t *testing.T, environment []string, command string, arguments ...string) *process {
	t.Helper()
	port := freePort(t)
	p := &process{
		t: t, name: command, program: program("haidang"),
		arguments: append([]string{command, "--http", address(port)}, arguments...), environment: environment,
		url: "http://" + address(port), probe: "/readyz",
	}
	p.prepare()
	p.start()
	return p
}

// natsServer starts a nats-server with JetStream and returns its URL.
func natsServer(t *testing.T) string {
	t.Helper()
	port, monitor := freePort(t), freePort(t)
	p := &process{
		t: t, name: "nats-server", program: program("nats-server"),
		arguments: []string{"-a", "127.0.0.1", "-p", fmt.Sprint(port), "-m", fmt.Sprint(monitor), "-js", "-sd", t.TempDir()},
		url:       "http://" + address(monitor), probe: "/healthz",
	}
	p.prepare()
	p.start()
	p.ready()
	return "nats://" + address(port)
}

// prepare has the process ended with the test, and its log shown if that failed.
func (p *process) prepare() {
	p.log = filepath.Join(p.t.TempDir(), p.name+".log")
	p.t.Cleanup(func() {
		p.kill()
		for _, bad := range []string{"panic: ", "fatal error: ", "DATA RACE"} {
			if p.says(bad) {
				p.t.Errorf("%s says %q", p.name, bad)
			}
		}
		if p.t.Failed() {
			p.t.Logf("the end of the log of %s:\n%s", p.name, p.tail())
		}
	})
}

// start starts it; ready waits until it is.
func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close() // the process has its own
	cmd, ended := exec.Command(p.program, p.arguments...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), p.environment...)
	cmd.SysProcAttr = childAttributes()
	p.began = time.Now()
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	p.cmd, p.ended = cmd, ended
	go func() {
		p.err = cmd.Wait()
		close(ended)
	}()
}

// ready waits until the process is ready and returns how long that took from
// its start.
func (p *process) ready() time.Duration {
	p.t.Helper()
	eventually(p.t, patience, p.name+" is ready", func() bool {
		select {
		case <-p.ended:
			p.t.Fatalf("%s has ended: %v", p.name, p.err)
		default:
		}
		return p.isReady()
	})
	took := time.Since(p.began)
	if took > 5*time.Second {
		p.t.Logf("%s took %v to be ready; the end of its log:\n%s", p.name, took, p.tail())
	}
	return took
}

func (p *process) isReady() bool {
	code, _ := p.get(p.probe)
	return code == http.StatusOK
}

// get asks its HTTP listener; the code is 0 where nobody answers.
func (p *process) get(path string) (code int, body string) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: p.trust}}
	answer, err := client.Get(p.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(b)
}

// kill ends it as `kill -9` does, and returns when it has ended.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // an error means that it has ended already
	<-p.ended
}

// stop ends it as Ctrl-C does, checks that it ends in order and returns how long
// that took.
func (p *process) stop() time.Duration {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatalf("stop %s: %v", p.name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // for the goroutines in the log
		p.t.Fatalf("%s still runs %v after Ctrl-C", p.name, stopWithin)
	}
	if p.err != nil {
		p.t.Errorf("%s was stopped with Ctrl-C and ended with %v", p.name, p.err)
	}
	return time.Since(began)
}

// tail is the end of what it has written over all its lives.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-logTail):])
}

// says reports whether its log has all of the words in one line.
func (p *process) says(words ...string) bool {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if hasAll(line, words) {
			return true
		}
	}
	return false
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// result is what a command that ended had to say.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a command of the program to its end, which must come within the time.
func run(t *testing.T, within time.Duration, arguments ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, program("haidang"), arguments...)
	cmd.SysProcAttr = childAttributes()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if ctx.Err() != nil || err != nil && !errors.As(err, &exit) {
		t.Fatalf("haidang %s: %v (%v)\n%s%s", strings.Join(arguments, " "), err, ctx.Err(), stdout.String(), stderr.String())
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// freePort finds a TCP port that stays free for this test, also while the
// process that has it is dead: it is not among those that the kernel gives to
// outgoing connections, and the UDP port of its number is held until the test
// ends, which other tests respect.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 15000 + rand.IntN(15000)
		held, err := net.ListenPacket("udp", address(port))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			held.Close()
			continue
		}
		l.Close()
		t.Cleanup(func() { held.Close() })
		return port
	}
	t.Fatal("no port is free")
	return 0
}
