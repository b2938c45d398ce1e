package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Progress tells on stderr how far long work has come: in place on a terminal, in
// a line now and then elsewhere. Work that is soon done says nothing.
type Progress struct {
	w     io.Writer
	now   func() time.Time
	every time.Duration
	live  bool // a terminal: lines overwrite each other

	mu    sync.Mutex
	last  time.Time
	width int // of the line that stands there
}

// NewProgress tells on w.
func NewProgress(w io.Writer) *Progress {
	p := &Progress{w: w, now: time.Now, every: 10 * time.Second, live: IsTerminal(w)}
	if p.live {
		p.every = time.Second
	}
	p.last = p.now()
	return p
}

// IsTerminal reports whether a person reads what is written to w.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Say tells where the work is, if it is time to tell it.
func (p *Progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now().Sub(p.last) < p.every {
		return
	}
	p.last = p.now()
	line := fmt.Sprintf(format, args...)
	if !p.live {
		fmt.Fprintln(p.w, line)
		return
	}
	n := cellWidth(line)
	fmt.Fprint(p.w, "\r", line, strings.Repeat(" ", max(0, p.width-n)))
	p.width = n
}

// During says, until the returned function is called, what text gives. That
// returns after the last word was said.
func (p *Progress) During(text func() string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(p.every / 2)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				p.Say("%s", text())
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// End takes the line away that stands there.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 {
		fmt.Fprint(p.w, "\r", strings.Repeat(" ", p.width), "\r")
		p.width = 0
	}
}
