package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// serverLogger passes on what nats-server says. Its notices (banner, every
// connection, every restored stream) are for debugging here; what a user needs to
// know of the start is said by the command.
type serverLogger struct {
	log *slog.Logger

	limit limiter

	mu    sync.Mutex
	fatal error
}

const (
	maxWarnings = 20
	// maxLine bounds a line.
	maxLine = 1024
)

var _ interface {
	Noticef(string, ...any)
	Warnf(string, ...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
	Debugf(string, ...any)
	Tracef(string, ...any)
} = (*serverLogger)(nil)

func (l *serverLogger) Noticef(format string, v ...any) { l.log.Debug(line(format, v)) }

func (l *serverLogger) Warnf(format string, v ...any) {
	// The password is drawn at every start and only lives in this process.
	if strings.HasPrefix(format, "Plaintext passwords") {
		return
	}
	l.warn(line(format, v))
}

func (l *serverLogger) Errorf(format string, v ...any) { l.warn(line(format, v)) }

// line formats what nats-server has to say.
func line(format string, args []any) string {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	if len(text) > maxLine {
		text = text[:maxLine] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// warn logs, but not more than maxWarnings in a second.
func (l *serverLogger) warn(msg string) {
	ok, silent := l.limit.allow(time.Now())
	if silent > 0 {
		l.log.Warn("more was not logged", "lines", silent)
	}
	if ok {
		l.log.Warn(msg)
	}
}

// limiter allows maxWarnings a second.
type limiter struct {
	mu sync.Mutex
	// said since that time, at most a second ago when the last one came
	said  int
	since time.Time
}

// allow says whether one more may be said, and how many were not since that was
// last mentioned.
func (l *limiter) allow(now time.Time) (ok bool, silent int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= time.Second {
		silent = max(l.said-maxWarnings, 0)
		l.since, l.said = now, 0
	}
	l.said++
	return l.said <= maxWarnings, silent
}

// Fatalf must not return control to a server that cannot go on, says its
// interface, but ending the process is for main alone: the error is kept and
// the start fails with it.
func (l *serverLogger) Fatalf(format string, v ...any) {
	msg := line(format, v)
	l.mu.Lock()
	l.fatal = errors.New(msg)
	l.mu.Unlock()
	l.log.Error(msg)
}

func (l *serverLogger) Debugf(string, ...any) {}

func (l *serverLogger) Tracef(string, ...any) {}

func (l *serverLogger) fatalError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
