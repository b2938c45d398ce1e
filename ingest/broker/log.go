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

	mu    sync.Mutex
	fatal error
	// warnings since that time, at most a second ago when the last one came
	warnings int
	since    time.Time
}

const maxWarnings = 20

var _ interface {
	Noticef(string, ...any)
	Warnf(string, ...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
	Debugf(string, ...any)
	Tracef(string, ...any)
} = (*serverLogger)(nil)

func (l *serverLogger) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }

func (l *serverLogger) Warnf(format string, v ...any) {
	// The password is drawn at every start and only lives in this process.
	if strings.HasPrefix(format, "Plaintext passwords") {
		return
	}
	l.warn(fmt.Sprintf(format, v...))
}

// Errorf receives, besides the server's own failures, every mistake an MQTT
// client makes: none of them is a failure of this process.
func (l *serverLogger) Errorf(format string, v ...any) { l.warn(fmt.Sprintf(format, v...)) }

// warn logs, but not more than maxWarnings in a second: a client can make as many
// mistakes as it likes.
func (l *serverLogger) warn(msg string) {
	now := time.Now()
	l.mu.Lock()
	if now.Sub(l.since) >= time.Second {
		if l.warnings > maxWarnings {
			defer l.log.Warn("more was not logged", "lines", l.warnings-maxWarnings)
		}
		l.since, l.warnings = now, 0
	}
	l.warnings++
	silent := l.warnings > maxWarnings
	l.mu.Unlock()
	if !silent {
		l.log.Warn(msg)
	}
}

// Fatalf must not return control to a server that cannot go on, says its
// interface, but ending the process is for main alone: the error is kept and
// the start fails with it.
func (l *serverLogger) Fatalf(format string, v ...any) {
	msg := fmt.Sprintf(format, v...)
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
