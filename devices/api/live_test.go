package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// point is a reading as the loader has it.
func point(site, device string, kind telemetry.Kind, metric telemetry.Metric, v float64, at time.Time) telemetry.Point {
	spec := telemetry.NewCatalogue().Kind(kind).Metric([]byte(metric))
	return telemetry.Point{Series: telemetry.Series{Kind: kind, Locality: "nha-trang", Site: telemetry.Site(site), Device: telemetry.Device(device)},
		Time: at, Values: []telemetry.Value{{Spec: spec, Number: v}}}
}

// listener reads a stream.
type listener struct {
	t    *testing.T
	r    *bufio.Scanner
	last string
}

func (c *town) listen(t *testing.T, query, lastID string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", c.url+"/api/v1/live"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
	}
	return &listener{t: t, r: bufio.NewScanner(resp.Body)}
}

// next gives the next event of a name.
func (l *listener) next(name string, into any) {
	l.t.Helper()
	event := ""
	for l.r.Scan() {
		field, value, _ := strings.Cut(l.r.Text(), ": ")
		switch field {
		case "id":
			l.last = value
		case "event":
			event = value
		case "data":
			if event != name {
				continue
			}
			if err := json.Unmarshal([]byte(value), into); err != nil {
				l.t.Fatal(err)
			}
			return
		}
	}
	l.t.Fatalf("no event %s: %v", name, l.r.Err())
}

func TestLive(t *testing.T) {
	c := newTown(t)
	silence := devices.NewSilence(time.Now().Add(-time.Hour))
	c.api.Presences = func() devices.Silences { return silence.At(time.Now(), c.registry.Snapshot().Expectations()) }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.api.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	all, far := c.listen(t, "", ""), c.listen(t, "?locality=cam-ranh", "")
	r := merge(registration("r", "d", "s", "noise"), object{"from": time.Now().Add(-time.Hour)})
	c.do("POST", "/registrations", r).want(200)
	var change api.ChangeEvent
	all.next(api.EventChange, &change)
	if change.Device != "d" || change.Who != "lan" {
		t.Errorf("change: %+v", change)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	c.api.Live.Observe([]telemetry.Point{point("s", "d", telemetry.Noise, telemetry.LAeq, 61, now.Add(-time.Second)),
		point("s", "d", telemetry.Noise, telemetry.LAeq, 62.5, now), point("s", "d", telemetry.Noise, telemetry.LAmax, 80, now.Add(-2*time.Second))})
	var reading api.Reading
	all.next(api.EventReading, &reading)
	if !reading.Time.Equal(now) || reading.Values[telemetry.LAeq] != 62.5 || reading.Values[telemetry.LAmax] != 80 {
		t.Errorf("reading: %+v", reading)
	}
	// What was so at the first look is no news, and nobody can tell when that was: so
	// devices come, until one is news.
	stop := make(chan struct{})
	var coming sync.WaitGroup
	coming.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				id := fmt.Sprintf("new-%d", i)
				c.do("POST", "/registrations", merge(registration(id, id, id, "noise"), object{"from": time.Now().Add(-time.Hour)})).want(200)
			}
		}
	})
	var presence api.PresenceEvent
	all.next(api.EventPresence, &presence)
	close(stop)
	coming.Wait()
	if !strings.HasPrefix(string(presence.Device), "new-") {
		t.Errorf("presence: %+v", presence)
	}
	far.next(api.EventChange, &change) // concerns all

	// Who comes back gets what was missed; who was away too long is told.
	c.do("POST", "/devices/d/maintenance", object{"action": "begin"}).want(200)
	back := c.listen(t, "", all.last)
	for back.next(api.EventChange, &change); change.Device != "d"; { // the last that came are news too
		back.next(api.EventChange, &change)
	}
	if change.Action != devices.Maintained {
		t.Errorf("missed: %+v", change)
	}
	for _, id := range []string{"other-5", "nonsense", strings.SplitN(all.last, "-", 2)[0] + "-999999"} {
		c.listen(t, "", id).next(api.EventReset, &struct{}{})
	}
	latest := into[api.Latest](c.do("GET", "/sites/s/latest", nil).want(200))
	if len(latest.Readings) != 1 || latest.Readings[0].Values[telemetry.LAeq] != 62.5 {
		t.Errorf("latest: %+v", latest)
	}
}

// Streams are bounded, and one that its client leaves makes room.
func TestStreamsAreBounded(t *testing.T) {
	c := newTown(t)
	var open []*http.Response
	get := func() *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "GET", c.url+"/api/v1/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	for range 256 {
		resp := get()
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("status %d after %d streams", resp.StatusCode, len(open))
		}
		open = append(open, resp)
	}
	resp := get()
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, %v", resp.StatusCode, resp.Header)
	}
	for _, r := range open {
		r.Body.Close()
	}
	for range 100 { // until the server has noticed
		resp := get()
		resp.Body.Close()
		if resp.StatusCode == 200 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("streams that were left make no room")
}

func TestSilence(t *testing.T) {
	c := newTown(t)
	c.do("GET", "/silence", nil).want(503)
	c.do("GET", "/incidents", nil).want(503)
	start := time.Now().Add(-24 * time.Hour)
	silence := devices.NewSilence(start)
	c.api.Presences = func() devices.Silences { return silence.At(time.Now(), c.registry.Snapshot().Expectations()) }
	for _, id := range []string{"a", "b", "c", "d"} {
		r := merge(registration("r"+id, "dev-"+id, id, "noise"), object{"from": start})
		r["device"] = merge(r["device"].(object), object{"gateway": "gw-1"})
		c.do("POST", "/registrations", r).want(200)
	}
	silence.At(start, c.registry.Snapshot().Expectations())
	silence.Observe(telemetry.Point{Time: time.Now(), Series: telemetry.Series{Kind: telemetry.Noise, Device: "dev-a"},
		Values: []telemetry.Value{{Spec: &telemetry.MetricSpec{Name: telemetry.LAeq}, Number: 60}}}, devices.Sign{Received: time.Now(), Gateway: "gw-1"})
	p := into[api.SilencePage](c.do("GET", "/silence?state=silent,late&locality=nha-trang&limit=2", nil).want(200))
	if p.Counts.Silent != 3 || p.Counts.Fresh != 1 || p.Localities["nha-trang"].Silent != 3 || len(p.Devices) != 2 || p.Next == "" {
		t.Errorf("silence: %+v", p)
	}
	if p = into[api.SilencePage](c.do("GET", "/silence?state=silent&limit=2&cursor="+p.Next, nil).want(200)); len(p.Devices) != 1 || p.Next != "" {
		t.Errorf("second page: %+v", p)
	}
	i := into[api.Incidents](c.do("GET", "/incidents", nil).want(200))
	if len(i.Incidents) != 1 || i.Incidents[0].Gateway != "gw-1" || len(i.Incidents[0].Devices) != 3 {
		t.Errorf("incidents: %+v", i)
	}
	if s := into[api.Site](c.do("GET", "/sites/b", nil).want(200)); s.Presence != devices.Silent {
		t.Errorf("presence %s", s.Presence)
	}
}

// quarantine, refusals and readings hold what a test says.
type quarantine []api.Waiting

func (q quarantine) Waiting(context.Context, telemetry.Device) ([]api.Waiting, error) { return q, nil }

type refusals struct{ last *api.Refused }

func (r refusals) Refused(context.Context, telemetry.Device) (api.Refused, bool, error) {
	if r.last == nil {
		return api.Refused{}, false, nil
	}
	return *r.last, true, nil
}

type readings struct {
	api.Readings
	latest []api.Reading
	first  *api.Reading
}

func (r readings) Latest(context.Context, telemetry.Site) ([]api.Reading, error) {
	return r.latest, nil
}

func (r readings) First(context.Context, telemetry.Device, telemetry.Site, time.Time) (api.Reading, bool, error) {
	if r.first == nil {
		return api.Reading{}, false, nil
	}
	return *r.first, true, nil
}

func TestCheck(t *testing.T) {
	c := newTown(t)
	now := time.Now().UTC()
	r := merge(registration("r", "d", "s", "noise"), object{"from": now.Add(-3 * time.Hour)})
	c.do("POST", "/registrations", r).want(200)
	heard := func(ago time.Duration) api.Reading {
		return api.Reading{Site: "s", Device: "d", Kind: telemetry.Noise, Time: now.Add(-ago), Values: map[telemetry.Metric]float64{telemetry.LAeq: 60}}
	}
	old, fresh, before := heard(2*time.Hour), heard(time.Second), heard(5*time.Hour)
	flagged := func(r api.Reading, quality float64) api.Reading {
		r.Values = map[telemetry.Metric]float64{telemetry.LAeq: 140, telemetry.QualityCode: quality}
		return r
	}
	bad := api.Waiting{Reason: telemetry.OutOfRange, Count: 4, Received: now.Add(-time.Minute), Topic: "kh/nha-trang/noise/d", Payload: []byte(`{"laeq":999}`)}
	for name, tt := range map[string]struct {
		device   string
		latest   []api.Reading
		waiting  quarantine
		refused  *api.Refused
		want     api.CheckState
		reason   string
		first    bool
		notKnown bool
	}{
		"nothing":                   {want: api.NeverHeard},
		"not registered":            {device: "other", want: api.NeverHeard, notKnown: true},
		"wrong secret":              {refused: &api.Refused{At: now, Reason: "wrong_secret"}, want: api.WrongSecret, reason: "wrong_secret"},
		"another MQTT":              {refused: &api.Refused{At: now, Reason: "protocol_version"}, want: api.Rejected, reason: "protocol_version"},
		"late, then refused":        {latest: []api.Reading{old}, refused: &api.Refused{At: now, Reason: "not_its_topic"}, want: api.Rejected, reason: "not_its_topic"},
		"refused, then received":    {latest: []api.Reading{fresh}, refused: &api.Refused{At: now, Reason: "session_taken_over"}, want: api.Receiving, first: true},
		"quarantined":               {waiting: quarantine{bad}, want: api.Quarantined, reason: "out_of_range"},
		"mended, then refused":      {waiting: quarantine{bad}, refused: &api.Refused{At: now, Reason: "revoked_or_expired_secret"}, want: api.WrongSecret, reason: "revoked_or_expired_secret"},
		"refused, then quarantined": {waiting: quarantine{bad}, refused: &api.Refused{At: now.Add(-time.Hour)}, want: api.Quarantined, reason: "out_of_range"},
		"late":                      {latest: []api.Reading{old}, want: api.LateReading},
		"late, then quarantined":    {latest: []api.Reading{old}, waiting: quarantine{bad}, want: api.Quarantined, reason: "out_of_range"},
		"receiving":                 {latest: []api.Reading{fresh}, want: api.Receiving, first: true},
		"the instrument's error":    {latest: []api.Reading{flagged(fresh, 2)}, want: api.FaultyValue},
		"calibrating":               {latest: []api.Reading{flagged(fresh, 1)}, want: api.Receiving, first: true},
		"an error long ago":         {latest: []api.Reading{flagged(old, 2)}, want: api.LateReading},
		"receiving beside old":      {latest: []api.Reading{fresh}, waiting: quarantine{bad}, want: api.Receiving, first: true},
		"another device's":          {latest: []api.Reading{{Site: "s", Device: "x", Kind: telemetry.Noise, Time: now}}, want: api.NeverHeard},
		"before it stood there":     {latest: []api.Reading{before}, want: api.NeverHeard},
		"only its state":            {latest: []api.Reading{{Site: "s", Device: "d", Kind: telemetry.Status, Time: now}}, want: api.NeverHeard},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			c.api.Readings = readings{latest: tt.latest, first: &old}
			c.api.Quarantine, c.api.Refusals = tt.waiting, refusals{tt.refused}
			id := "d"
			if tt.device != "" {
				id = tt.device
			}
			got := into[api.Check](c.do("GET", "/devices/"+id+"/check", nil).want(200))
			if got.State != tt.want || got.Reason != tt.reason || got.Registered == tt.notKnown || got.TextVI == "" || got.TextEN == "" {
				t.Errorf("check: %+v", got)
			}
			if tt.first && (got.First == nil || !got.First.Time.Equal(old.Time)) {
				t.Errorf("first: %+v", got.First)
			}
			if tt.want == api.Quarantined && (got.Sample != `{"laeq":999}` || got.Waiting != 4 || got.Topic == "") {
				t.Errorf("sample: %+v", got)
			}
		})
	}
}

// A device is waited for from its registration on, also where all were judged a
// moment before.
func TestPresenceOfNewDevice(t *testing.T) {
	c := newTown(t)
	now := time.Now()
	c.api.Now = func() time.Time { return now }
	silence := devices.NewSilence(now)
	c.api.Presences = func() devices.Silences { return silence.At(now, c.registry.Snapshot().Expectations()) }
	for _, id := range []string{"first", "second"} {
		c.do("POST", "/registrations", registration("r-"+id, id, "at-"+id, "noise")).want(200)
		if s := into[api.Site](c.do("GET", "/sites/at-"+id, nil).want(200)); s.Presence != devices.Waiting {
			t.Errorf("%s is %q", id, s.Presence)
		}
	}
}

// A value that is ordinary in another unit only is asked about; nothing is refused.
func TestCheckAsksAboutUnits(t *testing.T) {
	c := newTown(t)
	now := time.Now().UTC()
	c.do("POST", "/registrations", merge(registration("r", "d", "s", "air_quality"), object{"from": now.Add(-3 * time.Hour)})).want(200)
	for _, tt := range []struct {
		first, last float64
		asks        bool
	}{{0.5, 0.6, true}, {500, 600, false}, {500, 0.6, false}, {0.6, 500, false}} {
		heard := func(ago time.Duration, co float64) api.Reading {
			return api.Reading{Site: "s", Device: "d", Kind: telemetry.AirQuality, Time: now.Add(-ago), Values: map[telemetry.Metric]float64{telemetry.CO: co, telemetry.PM25: 16}}
		}
		first := heard(time.Hour, tt.first)
		c.api.Readings = readings{latest: []api.Reading{heard(time.Second, tt.last)}, first: &first}
		got := into[api.Check](c.do("GET", "/devices/d/check", nil).want(200))
		if got.State != api.Receiving || strings.Contains(got.TextEN, "0.6 looks like mg/m³ or ppm") != tt.asks || strings.Contains(got.TextVI, "có vẻ là mg/m³") != tt.asks {
			t.Errorf("%v, then %v: %s %s", tt.first, tt.last, got.TextEN, got.TextVI)
		}
	}
}
