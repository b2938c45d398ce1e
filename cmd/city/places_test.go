package city

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// where is how an operation depends on the place of what it is about, for an account
// that is restricted to another.
type where int

const (
	// anywhere: the whole city is shown to everybody who may look at all, and what is
	// one's own, such as a session, has no place.
	anywhere where = iota
	// filtered: as anywhere, but without what is not for everybody: payloads.
	filtered
	// local: refused at another place, and for what is the whole city's.
	local
	// taken: as local, but a device of the city's stock may be taken.
	taken
)

// about is what an operation needs to be there.
type about int

const (
	ofNothing about = iota
	ofSite
	ofDevice
	ofAlarm
	ofMessage
)

// rights is what the matrix expects of an operation.
type rights struct {
	least access.Role
	where where
	about about
	// ask is the request on an object, as it would succeed.
	ask func(o object) request
	// person says that a token is refused, whatever its scope; own, unless it administers.
	person, own bool
	// retired says that the site is.
	retired bool
	// proof is in the answer to who has no restriction, where the status says too little.
	proof string
}

type request struct {
	method, path string
	body         any
	raw          []byte
	match        string // If-Match
}

// object is what an operation is asked about: all that belongs to one place.
type object struct {
	place   telemetry.Locality // "" is the whole city
	n       int                // is another for every request
	site    telemetry.Site
	device  telemetry.Device
	spare   telemetry.Device // stands nowhere
	stand   devices.Installation
	limit   devices.Limit
	photo   int64
	alarm   int64
	message int64
	topic   string
	heard   telemetry.Device
	request string // of a registration
}

func getting(path string) request        { return request{method: "GET", path: path} }
func posting(path string, b any) request { return request{method: "POST", path: path, body: b} }
func putting(path string, b any) request {
	return request{method: "PUT", path: path, body: b, match: "*"}
}
func (o object) s(tail string) string { return "/api/v1/sites/" + string(o.site) + tail }
func (o object) d(tail string) string { return "/api/v1/devices/" + string(o.device) + tail }
func (o object) i(tail string) string {
	return fmt.Sprintf("/api/v1/installations/%d%s", o.stand.ID, tail)
}
func (o object) id(prefix string) string { return fmt.Sprintf("%s-%s-%d", prefix, o.site, o.n) }

type doc = map[string]any

// siteDoc is a sound site at the object's place.
func (o object) siteDoc(name string) doc {
	l := o.place
	if l == "" {
		l = theirs
	}
	return doc{"name": name, "locality": l, "ward": "22366", "position": doc{"lat": 12.24, "lon": 109.19}, "why": "a test"}
}

func (o object) deviceDoc(id string) doc { return doc{"id": id, "kinds": []string{"noise"}} }

const (
	mine   telemetry.Locality = "cam-ranh"
	theirs telemetry.Locality = "nha-trang"
	// leak is in all that must not leave a locality.
	leak = "not-for-cam-ranh"
)

func (o object) limitDoc(code string) doc {
	d := doc{"kind": "noise", "metric": "laeq", "value": 70 + float64(o.n%1000)/1000, "statistic": "mean", "severity": "watch", "name_vi": "Ồn", "name_en": "Loud"}
	if code != "" {
		d["code"] = code
	}
	return d
}

// picture is another for every number.
func picture(n int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, 4, 4))
	for i := range m.Pix {
		m.Pix[i] = byte(n >> (i % 3 * 8))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// town fills a city with objects of three places, and asks.
type town struct {
	people
	n      int
	alarms map[telemetry.Locality]int64
}

func everywhere() devices.By { return devices.By{Who: "test", Scope: devices.Everywhere()} }

// object makes all that belongs to a place anew.
func (c *town) object(id string, at telemetry.Locality) object {
	c.t.Helper()
	c.n++
	o := object{place: at, n: c.n, site: telemetry.Site(fmt.Sprint("s", c.n)), device: telemetry.Device(fmt.Sprint("d", c.n)), spare: telemetry.Device(fmt.Sprint("spare", c.n)),
		alarm: c.alarms[at], topic: topicOf(at, id), heard: telemetry.Device("heard-" + string(at)), request: "first"}
	l := at
	if l == "" {
		l = mine
	}
	pic, err := devices.ReadPicture(c.t.Context(), picture(c.n))
	if err != nil {
		c.t.Fatal(err)
	}
	by := everywhere()
	if at != "" { // who registers it says where it belongs
		by.Scope = devices.Within(at)
	}
	ctx := c.t.Context()
	err = c.registry.Batch(ctx, by, func(b *devices.Batch) error {
		kinds := []telemetry.Kind{telemetry.Noise}
		if _, err := b.CreateSite(ctx, devices.Site{ID: o.site, Name: string(o.site), Locality: l, Ward: "22366", Position: devices.Position{Lat: 12.24, Lon: 109.19}}); err != nil {
			return err
		}
		for _, d := range []telemetry.Device{o.device, o.spare} {
			if _, err := b.CreateDevice(ctx, devices.Device{ID: d, Kinds: kinds}); err != nil {
				return err
			}
		}
		if at == "" {
			return nil
		}
		if o.stand, err = b.Install(ctx, devices.Installation{Device: o.device, Site: o.site, From: time.Now().Add(-time.Hour), Redundant: true}); err != nil {
			return err
		}
		p, err := b.AddPhoto(ctx, o.stand.ID, pic)
		o.photo = p.ID
		if err != nil {
			return err
		}
		o.limit, err = b.CreateLimit(ctx, devices.Limit{Own: limits.Own{Site: o.site, Code: "loud", Kind: telemetry.Noise, Metric: "laeq", Value: 70,
			Statistic: limits.Mean, Severity: limits.Watch, NameVI: "Ồn", NameEN: "Loud"}})
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	rows, _, err := c.ledger.Quarantine(ctx, ingest.QuarantineFilter{Topic: o.topic})
	if err != nil {
		c.t.Fatal(err)
	}
	if len(rows) > 0 {
		o.message = rows[0].ID
	}
	return o
}

func topicOf(at telemetry.Locality, id string) string {
	if at == "" {
		return "elsewhere/" + id
	}
	return "kh/" + string(at) + "/noise/" + id
}

func allPlaces() []telemetry.Locality { return []telemetry.Locality{mine, theirs, ""} }

// fill puts messages that cannot be stored, devices that are not registered and alarms
// at every place.
func (c *town) fill(m map[string]rights) {
	c.t.Helper()
	ctx := c.t.Context()
	var record ingest.Record
	for _, at := range allPlaces() {
		for id, r := range m {
			if r.about == ofMessage {
				text := "{ not JSON"
				if at != mine {
					text += leak
				}
				record.Messages = append(record.Messages, ingest.Message{Topic: topicOf(at, id), Payload: []byte(text), FullSize: len(text), Received: time.Now().Truncate(time.Millisecond), QoS: 1})
			}
		}
		c.findings.Report(ingest.Finding{Rule: "test", Severity: "watch", Locality: at, SummaryVI: "Thử", SummaryEN: "Test", DescriptionVI: "Thử", DescriptionEN: "Test", RunbookVI: "Thử", RunbookEN: "Test"})
		sample := leak
		if at == mine {
			sample = "ours"
		}
		err := c.registry.store.Write(ctx, func(tx devices.Tx) error {
			return tx.MergeHeard(ctx, []devices.Heard{{Device: telemetry.Device("heard-" + string(at)), Locality: at, Kind: telemetry.Noise, Reason: devices.NoDevice,
				First: time.Now(), Last: time.Now(), Count: 1, Topic: topicOf(at, "x"), Sample: []byte(sample)}}, 100)
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	record.Gateway = "test"
	var err error
	if record.Epoch, record.First, err = c.journal.Position(ctx, record.Gateway); err != nil {
		c.t.Fatal(err)
	}
	if err := c.journal.Append(ctx, record); err != nil {
		c.t.Fatal(err)
	}
	c.await("messages in quarantine", func() bool {
		rows, _, err := c.ledger.Quarantine(ctx, ingest.QuarantineFilter{})
		return err == nil && len(rows) >= len(record.Messages)
	})
	c.alarms = map[telemetry.Locality]int64{}
	c.await("alarms", func() bool {
		all, err := c.ledger.Alarms(ctx, ingest.AlarmFilter{Active: true, Rule: "test"})
		for _, a := range all {
			if a.Locality == telemetry.Locality(telemetry.PlatformSite) {
				a.Locality = ""
			}
			c.alarms[a.Locality] = a.ID
		}
		return err == nil && len(c.alarms) == len(allPlaces()) && c.alarms[""] != 0
	})
	if _, err := c.registry.RegisterDevice(ctx, everywhere(), devices.Registration{Request: "first", Device: devices.Device{ID: "first", Kinds: []telemetry.Kind{telemetry.Noise}},
		NewSite: true, Site: devices.Site{ID: "first", Name: "First", Locality: theirs, Ward: "22366", Position: devices.Position{Lat: 12.24, Lon: 109.19}}}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *town) await(what string, done func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("no %s after two minutes", what)
		}
	}
}

// gotten is an answer.
type gotten struct {
	status int
	reason string // of a refusal
	body   string
}

// ask sends a request with a proof.
func (c *town) ask(r request, p proof, csrf string, streams bool) gotten {
	c.t.Helper()
	ctx, leave := context.WithCancel(c.t.Context())
	defer leave()
	body := r.raw
	if r.body != nil {
		body, _ = json.Marshal(r.body) // of what this file writes
	}
	q, err := http.NewRequestWithContext(ctx, r.method, c.url+r.path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	if r.raw != nil {
		q.Header.Set("Content-Type", "application/octet-stream")
	}
	if r.match != "" {
		q.Header.Set("If-Match", r.match)
	}
	if p.token != "" {
		q.Header.Set("Authorization", "Bearer "+string(p.token))
	} else {
		q.AddCookie(&http.Cookie{Name: "haidang", Value: string(p.session)})
		q.Header.Set(access.CSRFHeader, csrf)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	a := gotten{status: resp.StatusCode}
	if streams && resp.StatusCode == http.StatusOK {
		return a
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s: %v", r.path, err)
	}
	a.body = string(text)
	var problem struct {
		Reason string
		VI     string
		Long   string `json:"detail_vi"`
		Detail string
		Errors []struct{ Code string }
	}
	if a.status == http.StatusForbidden && json.Unmarshal(text, &problem) == nil {
		if a.reason = problem.Reason; len(problem.Errors) > 0 {
			a.reason = problem.Errors[0].Code
		}
		if problem.VI+problem.Long == "" || problem.Detail == "" {
			c.t.Errorf("%s: a refusal without words: %s", r.path, text)
		}
	}
	return a
}

// actor is who asks.
type asker struct {
	name  string
	role  access.Role
	proof proof
	csrf  string
	token bool
}

// TestOperationsKeepToTheirLocalities asks every operation with every role, by session
// and by token, about what belongs to the asker's own locality, to another, and to the
// whole city. What is refused has changed nothing, and it was not the request that was
// wrong: whoever has no restriction then succeeds with it.
func TestOperationsKeepToTheirLocalities(t *testing.T) {
	t.Parallel()
	testPlaces(t, "")
}

func testPlaces(t *testing.T, registry string) {
	o := newOperated(t, registry)
	c := &town{people: people{o, t}}
	m := matrix()
	c.fill(m)
	var actors []asker
	scopes := map[access.Role][]access.Scope{access.Viewer: {access.ScopeRead}, access.Field: {access.ScopeRegister}, access.Operator: {access.ScopeOperate}, access.Admin: {access.ScopeAdmin}}
	for _, role := range access.Roles() {
		a := access.Account{Name: "the-" + string(role), Role: role, Localities: []telemetry.Locality{mine}}
		if role == access.Admin {
			a.Localities = nil
		}
		p, _ := c.account(a, scopes[role]...)
		actors = append(actors, asker{string(role), role, proof{session: p.session}, c.csrf(t, p), false}, asker{string(role) + "'s token", role, proof{token: p.token}, "", true})
	}
	c.account(access.Account{Name: "idle", Role: access.Viewer}, access.ScopeRead)
	root, _ := c.account(access.Account{Name: "unrestricted", Role: access.Operator}, access.ScopeOperate)
	cells := 0
	for _, op := range c.operations() {
		line, ok := m[op.id]
		if !ok {
			if !slices.Contains(endings(), op.id) {
				t.Errorf("%s %s (%s) has no line in the matrix: say who may do it, and where", op.method, op.path, op.id)
			}
			continue
		}
		if line.least != op.least {
			t.Errorf("%s needs %s, and the matrix says %s", op.id, op.least, line.least)
		}
		for _, at := range allPlaces() {
			if at == "" && (line.about == ofSite || line.about == ofNothing) || at == theirs && line.about == ofNothing && line.where == anywhere {
				continue
			}
			cells += c.cell(op, line, at, actors, proof{token: root.token})
		}
	}
	for id := range m {
		if !slices.ContainsFunc(c.operations(), func(o operation) bool { return o.id == id }) {
			t.Errorf("the matrix has a line for %s, which is no operation", id)
		}
	}
	t.Logf("%d operations, %d cells", len(m), cells)
}

// cell asks an operation at a place with everybody.
func (c *town) cell(op operation, line rights, at telemetry.Locality, actors []asker, root proof) (cells int) {
	obj := c.object(op.id, at)
	if line.retired {
		if _, err := c.registry.RetireSite(c.t.Context(), everywhere(), obj.site, time.Time{}); err != nil {
			c.t.Fatal(err)
		}
	}
	seq := func() (n int64) {
		err := c.registry.store.Read(c.t.Context(), func(r devices.Reader) (err error) {
			n, err = r.LastChange(c.t.Context())
			return err
		})
		if err != nil {
			c.t.Fatal(err)
		}
		return n
	}
	succeeded := false
	for _, a := range actors {
		if at != mine && a.role == access.Admin {
			continue // who has no restriction comes last
		}
		cells++
		c.n++
		obj.n = c.n
		what := fmt.Sprintf("%s of %q by %s", op.id, at, a.name)
		before := seq()
		got := c.ask(line.ask(obj), a.proof, a.csrf, op.streams)
		want := line.expects(a, at)
		switch {
		case want == "" && (got.status == http.StatusForbidden || got.status == http.StatusUnauthorized || got.status >= 500 && got.status != http.StatusServiceUnavailable):
			c.t.Errorf("%s is refused: %d %s", what, got.status, got.body)
		case want != "" && (got.status != http.StatusForbidden || !slices.Contains(strings.Fields(want), got.reason)):
			c.t.Errorf("%s: %d %s, want 403 %s", what, got.status, clipped(got.body), want)
		case want != "" && seq() != before:
			c.t.Errorf("%s is refused and has changed something", what)
		}
		if a.role != access.Admin && strings.Contains(got.body, leak) {
			c.t.Errorf("%s shows what is not for it: %s", what, clipped(got.body))
		}
		succeeded = succeeded || want == "" && got.status < 400
	}
	if line.least == access.Admin && at != mine {
		return cells
	}
	c.n++
	obj.n = c.n
	if line.where == anywhere || at == mine {
		if !succeeded && line.least != access.Anyone && !slices.Contains([]string{"revoke-token", "import", "compare-store"}, op.id) {
			c.t.Errorf("%s of %q succeeds for nobody: its request is wrong", op.id, at)
		}
		return cells
	}
	if line.where == taken && at == "" {
		return cells
	}
	if got := c.ask(line.ask(obj), root, "", op.streams); got.status >= 400 || !strings.Contains(got.body, line.proof) {
		c.t.Errorf("%s of %q by who has no restriction: %d %s: its request is wrong", op.id, at, got.status, clipped(got.body))
	}
	return cells
}

func clipped(s string) string { return s[:min(len(s), 600)] }

// expects is why an actor is refused, one of some reasons; "" if they are not.
func (r rights) expects(a asker, at telemetry.Locality) string {
	switch {
	case !a.role.Allows(r.least):
		return "role_too_low scope_too_low"
	case a.token && (r.person || r.own && a.role != access.Admin):
		return "person_needed scope_too_low"
	case a.role == access.Admin || at == mine || r.where == anywhere || r.where == filtered:
		return ""
	case at == "" && r.where == taken:
		return ""
	case at == "":
		return "city_wide in_stock"
	}
	return "other_locality"
}
