package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store/embedded"
)

// TestSlowBodiesHoldNoPlace begins more requests than are answered at a time, whose
// bodies do not come: another one is answered.
func TestSlowBodiesHoldNoPlace(t *testing.T) {
	t.Parallel()
	_, base := api(t, embedded.Options{Queries: 1})
	host := strings.Split(base, "/")[2]
	for n := range 20 {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(conn, "POST /prometheus/api/v1/query HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n", host)
		// It says so when it begins to read the body.
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
			t.Fatalf("slow request %d is answered with %q, %v", n, line, err)
		}
	}
	if status, body := get(t, base+"/api/v1/query?query=1"); status != http.StatusOK {
		t.Errorf("beside slow bodies: %d %s", status, body)
	}
}

// TestTurnsLeavePlaces: one caller has at most its share of the places, and who
// cannot wait any longer or finds too many waiting is told.
func TestTurnsLeavePlaces(t *testing.T) {
	turns := embedded.NewTurns(4)
	a, b := embedded.WithCaller(t.Context(), "a"), embedded.WithCaller(t.Context(), "b")
	over, cancel := context.WithCancel(a)
	cancel()
	var ends []func()
	for n := range 3 {
		end, ok := turns.Begin(a)
		if !ok {
			t.Fatal("no place for request", n)
		}
		ends = append(ends, end)
	}
	if _, ok := turns.Begin(over); ok {
		t.Error("one caller takes all places")
	}
	end, ok := turns.Begin(b)
	if !ok {
		t.Fatal("another caller has no place")
	}
	if _, ok := turns.Begin(over); ok {
		t.Error("there are more places than there should be")
	}
	for _, end := range append(ends, end) {
		end()
	}
	if n := turns.Callers(); n != 0 {
		t.Errorf("%d callers are remembered", n)
	}
}
