package terminal

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressTellsOfLongWorkOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := NewProgress(&b)
		stop := p.During(func() string { return "working" })
		time.Sleep(9 * time.Second)
		stop()
		if b.Len() > 0 {
			t.Errorf("after 9 s it says %q", b.String())
		}
		stop = p.During(func() string { return "working" })
		time.Sleep(21 * time.Second)
		stop()
		p.End()
		if got := b.String(); got != "working\nworking\n" {
			t.Errorf("after 30 s it says %q", got)
		}
		b.Reset()
		p.live, p.every = true, time.Second
		time.Sleep(time.Second)
		p.Say("longer")
		time.Sleep(time.Second)
		p.Say("ab")
		p.End()
		if got := b.String(); got != "\rlonger\rab    \r  \r" {
			t.Errorf("on a terminal it says %q", got)
		}
	})
}
