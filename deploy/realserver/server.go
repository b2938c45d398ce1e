package realserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// readyWithin is how long a server may take to answer. It is long because
	// the machines that run tests are often busy with other tests.
	readyWithin = 60 * time.Second
	// stopWithin is how long a server may take to stop in order.
	stopWithin = 30 * time.Second
	// pollEvery is the pause between two looks at whether a server is ready.
	pollEvery = 20 * time.Millisecond
	// logTail is how much of the log a failed test shows, in bytes.
	logTail = 16 << 10
	// portTries is how often another port is taken where somebody else was
	// quicker to bind it.
	portTries = 5
)

// Server is one running server. Its methods belong to the goroutine of the test,
// because they end the test when they fail.
type Server struct {
	// URL is where clients reach it: mqtt://… for Mosquitto, http://… for the
	// others, without a path. It stays the same over Stop, Kill and Start.
	URL string
	// Address is the host and port of URL.
	Address string
	// Dir is where it keeps its data.
	Dir string

	t       testing.TB
	program program
	binary  string
	logPath string

	mu      sync.Mutex
	process *process
}

// program is what differs from server to server.
type program struct {
	name   string
	scheme string
	// arguments makes the command line, and writes the configuration files it
	// needs into dir.
	arguments func(dir string, ports []int) ([]string, error)
	// ports is how many free ports it needs; the first is the one in its URL.
	ports int
	// ready returns nil once the server at the address answers.
	ready func(ctx context.Context, address string) error
}

// process is one run of the server's binary.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // its end; read it after done
}

// launch starts a program on free ports and returns when it is ready.
func launch(t testing.TB, p program, binary string) *Server {
	t.Helper()
	dir := t.TempDir()
	s := &Server{Dir: dir, t: t, program: p, binary: binary, logPath: filepath.Join(dir, p.name+".log")}
	t.Cleanup(s.end)
	var err error
	for range portTries {
		var arguments []string
		if arguments, err = s.place(); err == nil {
			err = s.start(arguments)
		}
		if err == nil || !errors.Is(err, errEnded) {
			break
		}
	}
	if err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	return s
}

// errEnded says that the process ended before it was ready, as it does where its
// port is taken.
var errEnded = errors.New("it ended before it was ready")

// place chooses the ports and makes the command line.
func (s *Server) place() ([]string, error) {
	ports, err := freePorts(s.program.ports)
	if err != nil {
		return nil, err
	}
	s.Address = fmt.Sprintf("127.0.0.1:%d", ports[0])
	s.URL = s.program.scheme + "://" + s.Address
	arguments, err := s.program.arguments(s.Dir, ports)
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return arguments, nil
}

// start runs the binary and waits until it is ready.
func (s *Server) start(arguments []string) error {
	log, err := os.OpenFile(s.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close() // the process has its own
	cmd := exec.Command(s.binary, arguments...)
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", s.binary, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
	return s.awaitReady(p)
}

func (s *Server) awaitReady(p *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := s.program.ready(ctx, s.Address)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%w: %v", errEnded, p.err)
		case <-ctx.Done():
			return fmt.Errorf("not ready within %v: %w", readyWithin, err)
		case <-tick.C:
		}
	}
}

// Start starts the server again after Stop or Kill, on the same port and the
// same data, and returns when it is ready.
func (s *Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	select {
	case <-p.done:
	default:
		s.t.Fatalf("start %s: it is running already", s.program.name)
	}
	if err := s.start(p.cmd.Args[1:]); err != nil {
		s.t.Fatalf("start %s again: %v", s.program.name, err)
	}
}

// Stop ends the server in order (SIGTERM), as its operator would, and returns
// when it has ended.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.signal(syscall.SIGTERM); err != nil {
		s.t.Fatalf("stop %s: %v", s.program.name, err)
	}
}

// Kill ends the server at once (SIGKILL), as a crash would, and returns when it
// has ended.
func (s *Server) Kill() {
	s.t.Helper()
	if err := s.signal(syscall.SIGKILL); err != nil {
		s.t.Fatalf("kill %s: %v", s.program.name, err)
	}
}

// Running reports whether the process lives.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return false
	}
	select {
	case <-s.process.done:
		return false
	default:
		return true
	}
}

// signal sends the signal, if the server runs, and waits for its end.
func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopWithin):
		return fmt.Errorf("still running %v after %v", stopWithin, sig)
	}
}

// end is the server's part of the test's end.
func (s *Server) end() {
	if s.process != nil {
		if err := s.signal(syscall.SIGKILL); err != nil {
			s.t.Errorf("kill %s: %v", s.program.name, err)
		}
	}
	if s.t.Failed() {
		s.t.Logf("the end of %s's log:\n%s", s.program.name, s.Log())
	}
}

// Log is the end of what the server has written to its standard output and
// error, over all its runs.
func (s *Server) Log() string {
	b, err := os.ReadFile(s.logPath)
	if err != nil {
		return err.Error()
	}
	if len(b) > logTail {
		b = b[len(b)-logTail:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return string(b)
}

// freePorts finds loopback ports that nobody listens on, below the range from
// which the kernel gives ports to outgoing connections: one of those could take
// the port of a server that is stopped for a while. All are held until the last
// is found, so that they differ.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for tries := 0; len(ports) < n; tries++ {
		port := 15000 + rand.IntN(15000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			if tries > 1000 {
				return nil, fmt.Errorf("find free port: %w", err)
			}
			continue
		}
		defer l.Close()
		ports = append(ports, port)
	}
	return ports, nil
}

// missing ends a test whose server is not installed: a skip on a laptop, a
// failure in CI.
func missing(t testing.TB, name, remedy string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed and CI=true allows no skip: %s", name, remedy)
	}
	t.Skipf("%s is not installed: %s", name, remedy)
}

// find returns the first of the paths that is a file that may be run; a bare
// name is looked up on PATH. It returns "" if there is none.
func find(candidates ...string) string {
	for _, c := range candidates {
		if p, err := exec.LookPath(c); err == nil {
			if absolute, err := filepath.Abs(p); err == nil {
				return absolute
			}
		}
	}
	return ""
}
