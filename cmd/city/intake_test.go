package city

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/api"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// journalDoor puts what it is given into the journal, one request after the other. With
// fail set it does not.
type journalDoor struct {
	mu      sync.Mutex
	journal *journal.Journal
	fail    error
}

func (d *journalDoor) Take(ctx context.Context, _ door.Grant, messages []ingest.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	epoch, first, err := d.journal.Position(ctx, door.Name)
	if err != nil {
		return err
	}
	return d.journal.Append(ctx, ingest.Record{Gateway: door.Name, Epoch: epoch, First: first, Messages: messages})
}

func (d *journalDoor) failing(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

// sending is a town into which messages are sent over HTTP.
type sending struct {
	*town
	door *journalDoor
}

func newSending(t *testing.T) *sending {
	o := newOperated(t, "")
	d := &journalDoor{journal: o.journal}
	o.intake.open(d)
	return &sending{&town{people: people{o, t}}, d}
}

// letter is a request with messages.
type letter struct {
	path, kind, key, body  string
	device, secret, bearer string
}

// reply is an answer with its body taken apart.
type reply struct {
	status int
	header http.Header
	api.Problem
	api.Taken
	Reason access.Reason
	text   string
}

func (c *sending) post(l letter) (r reply) {
	c.t.Helper()
	q, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+"/api/v1/ingest/"+l.path, strings.NewReader(l.body))
	if err != nil {
		c.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	if l.kind != "" {
		q.Header.Set("Content-Type", l.kind)
	}
	if l.key != "" {
		q.Header.Set("Idempotency-Key", l.key)
	}
	if l.device != "" {
		q.SetBasicAuth(l.device, l.secret)
	}
	if l.bearer != "" {
		q.Header.Set("Authorization", "Bearer "+l.bearer)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.status, r.header, r.text = resp.StatusCode, resp.Header, string(text)
	var other struct {
		Reason access.Reason
		VI     string
	}
	for _, v := range []any{&r.Problem, &r.Taken, &other} {
		if err := json.Unmarshal(text, v); err != nil {
			c.t.Fatalf("%s: %d %s", l.path, r.status, text)
		}
	}
	r.Reason = other.Reason
	if r.status >= 400 && (r.VI+other.VI == "" || r.Detail == "") {
		c.t.Errorf("%s is refused without words in both languages: %s", l.path, text)
	}
	return r
}

// settled waits until the loader has dealt with all that the door took.
func (c *sending) settled(messages uint64) ingest.Account {
	c.t.Helper()
	var a ingest.Account
	c.await(fmt.Sprint(messages, " messages in the ledger"), func() bool {
		all := c.ledger.Accounts()
		i := slices.IndexFunc(all, func(a ingest.Account) bool { return a.Gateway == door.Name })
		if i >= 0 {
			a = all[i]
		}
		return a.Position >= messages
	})
	if a.Position != messages {
		c.t.Errorf("the door took %d messages, want %d", a.Position, messages)
	}
	return a
}

// TestMessagesOverHTTP sends what a device, a logger and a webhook send, and sends it
// again: each reading is stored once, whatever is wrong is told in the answer or is in
// quarantine.
func TestMessagesOverHTTP(t *testing.T) {
	t.Parallel()
	c := newSending(t)
	own, foreign := c.object("x", mine), c.object("x", theirs)
	k, err := c.control.Issue(t.Context(), access.System("test"), own.device, 0, access.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	device := letter{path: "cam-ranh/noise/" + string(own.device), device: k.Username, secret: string(k.Secret)}
	with := func(change func(*letter)) letter { l := device; change(&l); return l }
	timed := fmt.Sprintf(`{"ts":%d,"laeq":61}`, time.Now().Add(-time.Minute).UnixMilli())

	for range 2 { // the second time it is told the same, and stored once
		if r := c.post(with(func(l *letter) { l.body = timed })); r.status != http.StatusAccepted || r.Taken.Taken != 1 {
			t.Fatalf("%d %s", r.status, r.text)
		}
	}
	for range 2 {
		for _, key := range []string{"a", "b", ""} { // the last is a reading of its own each time
			if r := c.post(with(func(l *letter) { l.body, l.key = `{"laeq":62}`, key })); r.status != http.StatusAccepted {
				t.Fatalf("%d %s", r.status, r.text)
			}
		}
	}
	a := c.settled(8)
	if a.Stored != 1+2+2 || a.Duplicate != 1+2 {
		t.Errorf("the account is %+v, want 5 stored and 3 duplicates", a)
	}
	for _, l := range []struct {
		name   string
		letter letter
		status int
		code   string
	}{
		{"wrong secret", with(func(l *letter) { l.secret, l.body = "x", timed }), 401, "wrong_device_or_secret"},
		{"another's topic", with(func(l *letter) { l.path, l.body = "nha-trang/noise/"+string(foreign.device), timed }), 403, "not_its_topic"},
		{"another kind", with(func(l *letter) { l.path, l.body = "cam-ranh/weather/"+string(own.device), timed }), 403, "not_its_topic"},
		{"its own commands", with(func(l *letter) { l.path, l.body = "cam-ranh/command/"+string(own.device), timed }), 422, "not_telemetry"},
		{"a wildcard", with(func(l *letter) { l.path, l.body = "cam-ranh/noise/+", timed }), 422, "bad_topic"},
		{"a form", with(func(l *letter) { l.kind, l.body = "application/x-www-form-urlencoded", timed }), 415, "not_json"},
		{"too large", with(func(l *letter) { l.body = strings.Repeat(" ", 256<<10+1) }), 413, "too_large"},
		{"nobody", letter{path: device.path, body: timed}, 401, "log_in_needed"},
		{"no token", letter{path: device.path, body: timed, bearer: "hd_x"}, 401, "bad_token"},
	} {
		r := c.post(l.letter)
		if code := r.Code + string(r.Reason); r.status != l.status || !strings.HasSuffix(code, l.code) {
			t.Errorf("%s: %d %s, want %d %s", l.name, r.status, r.text, l.status, l.code)
		}
	}
	for _, want := range []struct {
		action access.Action
		reason access.Refused
	}{{access.CredentialRefused, access.RefusedSecret}, {access.TopicRefused, access.RefusedTopic}} {
		all, err := c.control.Events(t.Context(), access.EventFilter{Action: want.action, Subject: k.Username, Reason: string(want.reason)})
		if err != nil || len(all) == 0 {
			t.Errorf("no event %s of %s: %v", want.action, want.reason, err)
		}
	}
	// What cannot be stored is taken, and in quarantine.
	c.settled(8)
	if r := c.post(with(func(l *letter) { l.body = `{"laeq":` })); r.status != http.StatusAccepted {
		t.Fatalf("%d %s", r.status, r.text)
	}
	if a := c.settled(9); a.Quarantined != 1 {
		t.Errorf("the account is %+v, want one in quarantine", a)
	}
}

// TestBatchesOverHTTP sends arrays and lines, some of whose messages cannot be taken.
func TestBatchesOverHTTP(t *testing.T) {
	t.Parallel()
	c := newSending(t)
	own, foreign := c.object("x", mine), c.object("x", theirs)
	p, _ := c.people.account(access.Account{Name: "lorawan", Role: access.Field, Localities: []telemetry.Locality{mine}}, access.ScopeRegister)
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	items := []string{
		fmt.Sprintf(`{"topic":"kh/cam-ranh/noise/%s","payload":{"ts":%d,"laeq":60}}`, own.device, at.UnixMilli()),
		fmt.Sprintf(`{"locality":"cam-ranh","kind":"noise","device":"%s","time":"%s","payload":{"laeq":61}}`, own.device, at.Add(time.Second).Format(time.RFC3339)),
		fmt.Sprintf(`{"locality":"cam-ranh","kind":"noise","device":"%s","time":%d,"payload":{}}`, own.device, at.UnixMilli()), // empty, in quarantine
		`{"topic":"kh/cam-ranh/noise/nobody","payload":"Zm9v"}`,                                                                // no JSON, in quarantine
		fmt.Sprintf(`{"topic":"kh/nha-trang/noise/%s","payload":{"laeq":60}}`, foreign.device),
		`{"topic":"elsewhere","payload":1}`,
		`{"topic":"kh/cam-ranh/noise/x","payload":{"ts":1},"time":2}`,
		`{"topic":"kh/cam-ranh/noise/x","paylaod":{"ts":1}}`,
		`{"topic":"kh/cam-ranh/noise/x"}`,
		`{"topic":7}`,
		`{"topic":"kh/cam-ranh/noise/x","payload":"` + strings.Repeat("x", 257<<10) + `"}`,
	}
	want := []int{202, 202, 202, 202, 403, 403, 422, 422, 422, 422, 413}
	for n, l := range []letter{
		{path: "batch", body: "[" + strings.Join(items, ",\n") + "]"},
		{path: "batch", body: strings.Join(items, "\n") + "\n", kind: "application/x-ndjson"},
	} {
		l.bearer, l.key = string(p.token), "1"
		r := c.post(l)
		if r.status != http.StatusAccepted || r.Taken.Taken != 4 || r.Refused != 7 || len(r.Messages) != len(items) {
			t.Fatalf("%d %s", r.status, r.text)
		}
		for i, m := range r.Messages {
			if m.Status != want[i] || m.Status != 202 && (m.Code == "" || m.VI == "" || m.EN == "") {
				t.Errorf("message %d: %+v, want %d", i, m, want[i])
			}
		}
		a := c.settled(uint64(4 * (n + 1)))
		if a.Stored != 2 || a.Quarantined != 2 || a.Duplicate != uint64(4*n) {
			t.Errorf("after %d requests the account is %+v", n+1, a)
		}
	}
	for name, l := range map[string]struct {
		letter letter
		status int
		code   string
	}{
		"no array":   {letter{body: `{"topic":"x"}`}, 422, "not_json"},
		"cut off":    {letter{body: `[{"topic":"x","payload":1}`}, 422, "not_json"},
		"empty":      {letter{body: `[]`}, 422, "no_messages"},
		"too many":   {letter{body: "[" + strings.Repeat("1,", 1000) + "1]"}, 413, "too_many_messages"},
		"no lines":   {letter{body: strings.Repeat("{}\n", 1001), kind: "application/x-ndjson"}, 413, "too_many_messages"},
		"all wrong":  {letter{body: `[{"topic":"a/#","payload":1},1]`}, 422, "bad_topic"},
		"CSV":        {letter{body: `a,b`, kind: "text/csv"}, 415, "not_json"},
		"4 MiB and1": {letter{body: "[" + strings.Repeat(" ", 4<<20) + "]"}, 413, "too_large"},
	} {
		l.letter.path, l.letter.bearer = "batch", string(p.token)
		if r := c.post(l.letter); r.status != l.status || r.Code != l.code {
			t.Errorf("%s: %d %s, want %d %s", name, r.status, r.text, l.status, l.code)
		}
	}
	c.settled(8) // nothing of these
}

// TestJournalDoesNotTake: what the journal has not is not accepted, and the answer says
// when to come again.
func TestJournalDoesNotTake(t *testing.T) {
	t.Parallel()
	c := newSending(t)
	own := c.object("x", mine)
	p, _ := c.people.account(access.Account{Name: "lorawan", Role: access.Field}, access.ScopeRegister)
	send := func() reply {
		return c.post(letter{path: "cam-ranh/noise/" + string(own.device), body: `{"laeq":60}`, bearer: string(p.token)})
	}
	for _, f := range []struct {
		err    error
		status int
		code   string
	}{
		{fmt.Errorf("append: %w", ingest.ErrJournalFull), 503, "journal_full"},
		{context.DeadlineExceeded, 503, "journal_unavailable"},
		{fmt.Errorf("%w: a device sends at most 10 a second (--device-rate)", door.ErrTooMany), 429, "too_many_messages"},
	} {
		c.door.failing(f.err)
		r := send()
		if r.status != f.status || r.Code != f.code || r.header.Get("Retry-After") == "" {
			t.Errorf("%v: %d %s, Retry-After %q", f.err, r.status, r.text, r.header.Get("Retry-After"))
		}
		if f.status == 429 && !strings.Contains(r.Detail, "--device-rate") {
			t.Errorf("the limit is not named: %s", r.Detail)
		}
	}
	c.door.failing(nil)
	if r := send(); r.status != http.StatusAccepted {
		t.Errorf("%d %s", r.status, r.text)
	}
	c.settled(1)
}
