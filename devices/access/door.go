package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
)

// DoorPath is where a door in another process asks who devices are.
const DoorPath = "/api/v1/access/door"

// maxDoorAsks and maxDoorBody bound what a door asks in one request.
const (
	maxDoorAsks = 1000
	maxDoorBody = 4 << 20
)

// DoorQuestion is what a door asks and tells.
type DoorQuestion struct {
	Ask []Asked `json:"ask,omitempty"`
	// Refused is what the door did not let clients do.
	Refused []Refusal `json:"refused,omitempty"`
	// Sessions are the identities for whom the door keeps what waits.
	Sessions []string `json:"sessions,omitempty"`
}

// Asked is who wants to come in.
type Asked struct {
	ClientID string
	Username string
	Password Secret
	PeerHost string
}

// MarshalJSON shows the secret, as nothing else does: it goes to the city that gave it.
func (a Asked) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"clientid": a.ClientID, "username": a.Username, "password": string(a.Password), "peerhost": a.PeerHost})
}

// UnmarshalJSON reads it back.
func (a *Asked) UnmarshalJSON(b []byte) error {
	var in asked
	err := json.Unmarshal(b, &in)
	*a = Asked{in.ClientID, in.Username, in.Password, in.PeerHost}
	return err
}

// DoorAnswer answers each that asks, in order.
type DoorAnswer struct {
	Grants []DoorGrant `json:"grants"`
	// Lapsed are those of DoorQuestion.Sessions whom no secret would let in.
	Lapsed []string `json:"lapsed,omitempty"`
}

// DoorGrant is a [Grant], or why there is none: a [Refused], or "fault" where the city
// could not tell.
type DoorGrant struct {
	Identity  string   `json:"identity,omitempty"`
	Publish   []string `json:"publish,omitempty"`
	Subscribe []string `json:"subscribe,omitempty"`
	Refused   string   `json:"refused,omitempty"`
}

// Door answers a door in another process (POST, JSON), which shows that it may ask by the
// header Authorization: Bearer and the shared secret. With an empty secret nobody may.
func (c *Control) Door(shared Secret) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + string(shared)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		have := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(want[:], have[:]) != 1 || shared == "" {
			c.journal.refused(Event{Action: RequestRefused, Subject: "door", Reason: "wrong_shared_secret", Remote: requestOf(r.Context()).caller().remote()})
			writeError(w, fault(ReasonBadToken, ""))
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST only", http.StatusMethodNotAllowed)
			return
		}
		var q DoorQuestion
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxDoorBody)).Decode(&q); err != nil || max(len(q.Ask), len(q.Refused), len(q.Sessions)) > maxDoorAsks {
			http.Error(w, "the body is no JSON of a door, or asks too much at once", http.StatusBadRequest)
			return
		}
		answer := DoorAnswer{Grants: make([]DoorGrant, 0, len(q.Ask))}
		for _, a := range q.Ask {
			answer.Grants = append(answer.Grants, c.doorGrant(r, a))
		}
		for _, one := range q.Refused {
			c.NoteRefused(one)
		}
		var err error
		if answer.Lapsed, err = c.Lapsed(r.Context(), q.Sessions); err != nil {
			c.log.Error("cannot tell the door whose rights have ended", "error", err)
			http.Error(w, "whose rights have ended cannot be found out at the moment", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(answer) // an error here means that nobody reads any more
	})
}

func (c *Control) doorGrant(r *http.Request, a Asked) DoorGrant {
	addr, _ := netip.ParseAddr(a.PeerHost)
	g, err := c.Authenticate(r.Context(), a.ClientID, a.Username, a.Password, netip.AddrPortFrom(addr, 0))
	var why Refused
	switch {
	case err == nil:
		return DoorGrant{Identity: g.Identity, Publish: g.Publish, Subscribe: g.Subscribe}
	case errors.As(err, &why):
		return DoorGrant{Refused: string(why)}
	}
	c.log.Error("cannot answer the door, so it is refused", "error", err)
	return DoorGrant{Refused: "fault"}
}
