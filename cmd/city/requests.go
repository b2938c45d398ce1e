package city

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
)

const (
	// mostOfStranger is how many requests of an address are answered at once for who
	// is not logged in: a page with all its parts.
	mostOfStranger = 64
	// mostOfAccount is the same for an account, whatever its address: a wall of
	// screens that follow live values, or a program.
	mostOfAccount = 256
	// mostStreams is how many of those may follow live values; there are 256 in all.
	mostStreams = 128
	// largeBody is from how many bytes a body is a file. It is in memory until it has
	// been read, so an account sends a few at a time, and so do all together.
	largeBody, mostFiles, mostFilesOfAll = 512 << 10, 4, 16
	// waitForPlace is how long one more request waits before it is refused, and
	// lookForPlace how often it looks: an office behind one address opens the console
	// at the same moment, and a page with a part missing is none.
	waitForPlace, lookForPlace = 10 * time.Second, 50 * time.Millisecond
	// strangerBody is how long the body of who is not logged in may take.
	strangerBody = 5 * time.Second
)

// requests bounds how many requests of one account, or of one address without
// log-in, are answered at a time, so that nobody fills up the listener by asking
// slowly. Behind a proxy the address is the one that the proxy tells.
type requests struct {
	conns *connections

	mu   sync.Mutex
	busy map[string]int
}

func newRequests(c *connections) *requests { return &requests{conns: c, busy: map[string]int{}} }

// place is what a request takes while it is answered: one of a number that somebody
// has.
type place struct {
	of   string
	most int
	full string // as the metric calls it
}

// places are what a request takes.
func places(r *http.Request) (who string, all []place) {
	account := access.Actor(r.Context()).Account
	if account == "" {
		who = "address " + access.From(r.Context()).String()
		all = []place{{who, mostOfStranger, "address"}}
		if strings.HasPrefix(r.URL.Path, ingestPath) && isFile(r) { // a device's batch
			all = append(all, place{"batches of " + who, mostFiles, "address"}, place{"batches of all", mostFilesOfAll, "all"})
		}
		return who, all
	}
	who = "account " + account
	all = []place{{who, mostOfAccount, "account"}}
	path, below := strings.CutPrefix(r.URL.Path, "/api/v1/")
	switch {
	case below && path == "live":
		all = append(all, place{"streams of " + who, mostStreams, "account"})
	case below && isFile(r):
		all = append(all, place{"files of " + who, mostFiles, "account"}, place{"files of all", mostFilesOfAll, "all"})
	}
	return who, all
}

func isFile(r *http.Request) bool { return r.ContentLength > largeBody || r.ContentLength < 0 }

// bound is for behind [access.Control.Middleware].
func (q *requests) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, all := places(r)
		if access.Actor(r.Context()).Account != "" {
			q.conns.known(r.Context())
		} else if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(strangerBody)) // an error: the server's own deadline stands
		}
		for _, p := range all {
			if !q.wait(r.Context(), p.of, p.most) {
				q.conns.metrics.requests.WithLabelValues(p.full).Inc()
				q.conns.told.warn("requests were refused: too many of the same origin are being answered", "who", p.of, "most", p.most)
				w.Header().Set("Connection", "close") // so that an unread body is not waited for
				access.Refuse(w, access.ReasonTooManyAtOnce, time.Second)
				return
			}
			defer q.end(p.of)
		}
		// One account may be a Grafana here and a program there.
		caller := who + " at " + access.From(r.Context()).String()
		next.ServeHTTP(w, r.WithContext(embedded.WithCaller(r.Context(), caller)))
	})
}

// wait begins a request as soon as there is a place; it reports false if none came.
func (q *requests) wait(ctx context.Context, who string, most int) bool {
	late := time.After(waitForPlace)
	for !q.begin(who, most) {
		select {
		case <-ctx.Done():
			return false
		case <-late:
			return false
		case <-time.After(lookForPlace):
		}
	}
	return true
}

func (q *requests) begin(who string, most int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy[who] >= most {
		return false
	}
	q.busy[who]++
	return true
}

func (q *requests) end(who string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy[who]--; q.busy[who] <= 0 {
		delete(q.busy, who)
	}
}
