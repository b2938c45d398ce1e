package storetest

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Fault answers a request in the server's place. forward passes it on to the
// server.
type Fault func(w http.ResponseWriter, r *http.Request, forward http.Handler)

// Proxy stands between a store and its real server and makes the faults that a
// real server makes too rarely for a test.
type Proxy struct {
	// URL is where the store finds it.
	URL string

	mu       sync.Mutex
	fault    Fault
	requests int
}

// NewProxy starts a proxy to the server, without a fault at first.
func NewProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatalf("parse URL of server: %v", err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog = log.New(io.Discard, "", 0)
	transport := &http.Transport{}
	forward.Transport = transport
	p := &Proxy{}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		fault := p.fault
		p.requests++
		p.mu.Unlock()
		if fault == nil {
			forward.ServeHTTP(w, r)
			return
		}
		fault(w, r, forward)
	}))
	t.Cleanup(func() {
		listener.Close()
		transport.CloseIdleConnections()
	})
	p.URL = listener.URL
	return p
}

// Set makes all further requests meet the fault; nil heals.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Requests counts the requests so far.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// Answer is the fault of a server that answers with a status and a body and does
// nothing.
func Answer(status int, contentType, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		// A client that has gone away is none of the fault's business.
		_, _ = io.WriteString(w, body)
	}
}

// AnswerLost is the fault of a server that does as it is told and then fails to
// say so.
func AnswerLost(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	w.WriteHeader(http.StatusInternalServerError)
}

// Hang is the fault of a server that never answers.
func Hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	// The server notices that the client has gone only once the body is read.
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// Break is the fault of a network that cuts the connection.
func Break(http.ResponseWriter, *http.Request, http.Handler) {
	panic(http.ErrAbortHandler)
}
