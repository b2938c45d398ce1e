package city

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/door"
)

// Whom the city knows is let in; while it is away, who was let in a short while ago and
// nobody else; and who may no longer is disconnected.
func TestCityGrants(t *testing.T) {
	var away, revoked atomic.Bool
	city := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q access.DoorQuestion
		if away.Load() || r.URL.Path != access.DoorPath || r.Header.Get("Authorization") != "Bearer shared" || json.NewDecoder(r.Body).Decode(&q) != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		var a access.DoorAnswer
		if len(q.Sessions) > 1000 {
			http.Error(w, "too many", http.StatusBadRequest)
			return
		}
		for _, s := range q.Sessions {
			if strings.HasPrefix(s, "gone") {
				a.Lapsed = append(a.Lapsed, s)
			}
		}
		for _, ask := range q.Ask {
			if ask.Username == "aq-1" && ask.Password == "right" && !revoked.Load() {
				a.Grants = append(a.Grants, access.DoorGrant{Identity: "aq-1", Publish: []string{"kh/nha-trang/noise/aq-1"}})
			} else {
				a.Grants = append(a.Grants, access.DoorGrant{Refused: "wrong_secret"})
			}
		}
		json.NewEncoder(w).Encode(a)
	}))
	defer city.Close()
	var ended []string
	g := newCityGrants(city.URL+"/", "shared", city.Client(), func(identity string) { ended = append(ended, identity) }, slog.New(slog.DiscardHandler))
	now := time.Now()
	g.now = func() time.Time { return now }
	enter := func(when, user string, secret door.Secret, want bool) {
		t.Helper()
		grant, err := g.Authenticate(t.Context(), door.Login{ClientID: "gw.01", Username: user, Password: secret})
		if (err == nil) != want || want && (grant.Identity != "aq-1" || len(grant.Publish) != 1) {
			t.Errorf("%s: %s has %+v, %v", when, user, grant, err)
		}
		var why access.Refused
		if err != nil && !away.Load() && !errors.As(err, &why) {
			t.Errorf("%s: the reason is %v", when, err)
		}
	}
	enter("known", "aq-1", "right", true)
	enter("another secret", "aq-1", "wrong", false)
	away.Store(true)
	now = now.Add(14 * time.Minute)
	g.again(t.Context())
	enter("the city is away", "aq-1", "right", true)
	enter("a stranger meanwhile", "aq-2", "right", false)
	if g.Err() == nil || len(ended) > 0 {
		t.Errorf("away: %v, ended %v", g.Err(), ended)
	}
	now = now.Add(2 * time.Minute)
	g.again(t.Context())
	enter("away for too long", "aq-1", "right", false)
	away.Store(false)
	enter("it is back", "aq-1", "right", true)
	revoked.Store(true)
	now = now.Add(askAgain)
	g.again(t.Context())
	enter("revoked", "aq-1", "right", false)
	if g.Err() != nil || !slices.Equal(ended, []string{"aq-1", "aq-1"}) {
		t.Errorf("back: %v, ended %v, want aq-1 when nobody vouched for it any more and when it was revoked", g.Err(), ended)
	}
	sessions := append([]string{"gone-1"}, make([]string, 1000)...)
	if lapsed, err := g.Lapsed(t.Context(), append(sessions, "gone-2")); err != nil || !slices.Equal(lapsed, []string{"gone-1", "gone-2"}) {
		t.Errorf("lapsed are %v, %v", lapsed, err)
	}
	away.Store(true)
	if lapsed, err := g.Lapsed(t.Context(), sessions); err == nil || len(lapsed) > 0 {
		t.Errorf("the city is away, and lapsed are %v", lapsed)
	}
}
