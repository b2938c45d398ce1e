package journal_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	natsVar   = "HAIDANG_TEST_NATS_SERVER"
	readyLine = "nats-server is ready"
)

// serveIfChild turns the test binary into a plain nats-server with JetStream, the
// server of somebody else, if startNATS started it. It ends when its standard
// input does, so that it never outlives the test.
func serveIfChild() {
	spec := os.Getenv(natsVar)
	if spec == "" {
		return
	}
	addr, dir, _ := strings.Cut(spec, " ")
	srv, err := serveNATS(addr, dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(readyLine)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is gone
	srv.Shutdown()
	srv.WaitForShutdown()
	os.Exit(0)
}

func serveNATS(addr, dir string) (*server.Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(&server.Options{
		Host: host, Port: number, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
		MaxPayload: 8 << 20, MaxPending: 64 << 20,
	})
	if err != nil {
		return nil, err
	}
	go srv.Start()
	if !srv.ReadyForConnections(deadline) {
		return nil, fmt.Errorf("server on %s is not ready", addr)
	}
	return srv, nil
}

// natsServer is a nats-server in a process of its own.
type natsServer struct {
	t     testing.TB
	addr  string
	dir   string
	child *child
}

// startNATS starts a server on a free port of the loopback interface, with its
// files in dir. It is stopped at the end of the test.
func startNATS(t testing.TB, dir string) *natsServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &natsServer{t: t, addr: ln.Addr().String(), dir: dir}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	s.restart()
	t.Cleanup(func() { s.kill() })
	return s
}

// url is where the server listens; it stays the same over restarts.
func (s *natsServer) url() string { return "nats://" + s.addr }

// restart starts the server after kill and waits until it serves.
func (s *natsServer) restart() {
	s.t.Helper()
	s.child = startChild(s.t, natsVar, s.addr+" "+s.dir)
	if line, ok := s.child.line(s.t); !ok || line != readyLine {
		s.t.Fatalf("nats-server: %s", line)
	}
}

// kill ends the server with SIGKILL and returns when the process is gone.
func (s *natsServer) kill() { s.child.kill() }

// child is this test binary running as something else.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string // what it prints; closed at its end
}

func startChild(t testing.TB, variable, value string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+value)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, stdin: stdin, lines: make(chan string, 1_000_000)}
	go func() {
		defer close(c.lines)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			c.lines <- scan.Text()
		}
	}()
	return c
}

// line is the next line the child prints; false if it has ended.
func (c *child) line(t testing.TB) (string, bool) {
	t.Helper()
	select {
	case line, ok := <-c.lines:
		return line, ok
	case <-time.After(deadline):
		t.Fatal("the child says nothing")
		return "", false
	}
}

// kill sends SIGKILL and returns when the process is gone and all it has said is
// in lines.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // an error means that it is gone already
	// The rest of its output first: Wait closes the pipe.
	rest := make([]string, 0, len(c.lines))
	for line := range c.lines {
		rest = append(rest, line)
	}
	_ = c.cmd.Wait() // reports the signal
	c.lines = make(chan string, len(rest))
	for _, line := range rest {
		c.lines <- line
	}
	close(c.lines)
}
