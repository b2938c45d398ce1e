package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// maxAsk bounds what a broker asks in one request.
const maxAsk = 64 << 10

// asked is what EMQX's HTTP authenticator and authorizer send as JSON:
//
//	{"clientid":"${clientid}","username":"${username}","password":"${password}","peerhost":"${peerhost}"}
//	{"clientid":"${clientid}","username":"${username}","action":"${action}","topic":"${topic}","peerhost":"${peerhost}"}
type asked struct {
	ClientID string `json:"clientid"`
	Username string `json:"username"`
	Password Secret `json:"password"`
	PeerHost string `json:"peerhost"`
	Action   string `json:"action"`
	Topic    string `json:"topic"`
}

func (a asked) remote() netip.AddrPort {
	addr, err := netip.ParseAddr(a.PeerHost)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, 0)
}

// EMQXAuthentication answers EMQX's HTTP authenticator (POST, JSON). EMQX shows
// that it may ask by the header Authorization: Bearer and the shared secret. With
// an empty secret nobody may.
func (c *Control) EMQXAuthentication(shared Secret) http.Handler {
	return c.emqx(shared, func(r *http.Request, a asked) error {
		g, err := c.Authenticate(r.Context(), a.ClientID, a.Username, a.Password, a.remote())
		if err == nil {
			err = c.ownClientID(r.Context(), g, a)
		}
		return err
	})
}

// partPrefix begins the client ids of gateways ([Service]) at brokers.
const partPrefix = "haidang-"

// ownClientID refuses the client id of another device, or of a gateway. Any other is
// free, but EMQX's sessions belong to a client id and to no user: whoever connects by
// one takes over what waits there.
func (c *Control) ownClientID(ctx context.Context, g Grant, a asked) error {
	name, _, _ := strings.Cut(a.ClientID, "/")
	other := DeviceOf(name)
	taken := strings.HasPrefix(name, partPrefix)
	if !taken && string(other) != g.Identity {
		err := c.store.Read(ctx, func(r Reader) error {
			_, err := standing(ctx, r, other)
			return err
		})
		if err != nil && !errors.Is(err, ErrMissing) {
			return fmt.Errorf("look for client id among devices: %w", err)
		}
		taken = err == nil
	}
	if !taken || string(other) == g.Identity {
		return nil
	}
	c.NoteRefused(Refusal{Kind: "connect", Username: a.Username, ClientID: a.ClientID, Reason: string(RefusedClientID), Remote: a.remote()})
	return RefusedClientID
}

// EMQXAuthorization answers EMQX's HTTP authorizer; as [Control.EMQXAuthentication].
func (c *Control) EMQXAuthorization(shared Secret) http.Handler {
	return c.emqx(shared, func(r *http.Request, a asked) error {
		return c.Authorize(r.Context(), a.Username, TopicAction(a.Action), a.Topic, a.remote())
	})
}

// emqx reads the question and writes the answer. A fault of ours is a refusal
// too: where it is no answer, EMQX may go by its default, which is to allow.
func (c *Control) emqx(shared Secret, decide func(*http.Request, asked) error) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + string(shared)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		have := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(want[:], have[:]) != 1 || shared == "" {
			c.journal.refused(Event{Action: RequestRefused, Subject: "emqx", Reason: "wrong_shared_secret", Remote: requestOf(r.Context()).caller().remote()})
			writeError(w, fault(ReasonBadToken, ""))
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST only", http.StatusMethodNotAllowed)
			return
		}
		var a asked
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAsk)).Decode(&a); err != nil {
			http.Error(w, "the body is no JSON with clientid, username, …", http.StatusBadRequest)
			return
		}
		err := decide(r, a)
		var why Refused
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if err == nil {
			_, _ = w.Write([]byte(`{"result":"allow","is_superuser":false}`))
			return
		}
		if !errors.As(err, &why) {
			c.log.Error("cannot answer the broker, so it is refused", "error", err)
		}
		_, _ = w.Write([]byte(`{"result":"deny"}`))
	})
}
