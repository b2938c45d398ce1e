package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// readyWithin is how long a stack may take to be ready, stopWithin a process to end.
	readyWithin = time.Minute
	stopWithin  = time.Minute
	// ticks is how many units of /proc/PID/stat a second has, on every Linux.
	ticks = 100
)

// process is one program of a contender. It may run several times.
type process struct {
	name string
	args []string
	log  string
	// address is where it listens; who is started after it needs it there.
	address string

	cmd  *exec.Cmd
	done chan struct{} // closed when the present run has ended
	// spent is the CPU of the runs that have ended, in seconds; peak the most memory of
	// any of them, in bytes.
	spent float64
	peak  int64
}

// start runs the program, in the folder of its log.
func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", p.name, err)
	}
	defer log.Close() // the process has its own
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = filepath.Dir(p.log), log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	cmd, done := p.cmd, make(chan struct{})
	p.done = done
	go func() {
		defer close(done)
		_ = cmd.Wait() // its end is what is waited for, whatever its code
	}()
	return nil
}

// running reports whether the process lives.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return p.cmd != nil
	}
}

// end sends a signal, waits until the process has ended and adds up what it took.
func (p *process) end(sig syscall.Signal) error {
	if p.done == nil || !p.running() {
		return nil
	}
	p.note()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(stopWithin):
		_ = p.cmd.Process.Kill() // it is over with it either way
		<-p.done
		return fmt.Errorf("end %s: it was still running after %v", p.name, stopWithin)
	}
	u, s := p.cmd.ProcessState.UserTime(), p.cmd.ProcessState.SystemTime()
	p.spent += (u + s).Seconds()
	return nil
}

// note keeps the most memory that the present run has taken.
func (p *process) note() { p.peak = max(p.peak, highWater(p.cmd.Process.Pid)) }

// cpu is the CPU time of all runs so far, in seconds.
func (p *process) cpu() (float64, error) {
	if !p.running() {
		return p.spent, nil
	}
	p.note()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time of %s: %w", p.name, err)
	}
	// The name, in parentheses, may hold anything; utime and stime are the 12th and 13th
	// field behind it.
	_, rest, _ := strings.Cut(string(data[strings.LastIndexByte(string(data), ')'):]), " ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("read CPU time of %s: /proc says %q", p.name, data)
	}
	u, err1 := strconv.ParseFloat(f[11], 64)
	s, err2 := strconv.ParseFloat(f[12], 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("read CPU time of %s: %w", p.name, err)
	}
	return p.spent + (u+s)/ticks, nil
}

// highWater is the most memory a process has had, in bytes; 0 if it is gone.
func highWater(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				kib, _ := strconv.ParseInt(f[0], 10, 64) // 0 where it is no number
				return kib << 10
			}
		}
	}
	return 0
}

// logEnd is the end of what a process has written.
func (p *process) logEnd() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}

// freePort finds a loopback port that nobody listens on, below those that the kernel
// gives to outgoing connections.
func freePort() (int, error) {
	for range 1000 {
		port := 15000 + rand.IntN(15000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("find free port: none in 1,000 tries")
}

// until asks again and again until it is answered without an error.
func until(ctx context.Context, within, every time.Duration, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", within, err)
		case <-time.After(every):
		}
	}
}

// folderSize is what the files of a folder take, in bytes.
func folderSize(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // merged away meanwhile
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return nil
	})
	return size, err
}
