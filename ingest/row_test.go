package ingest_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// rowsNow are the rows of the audit, of a gateway that hears every locality.
func (c *city) rowsNow() []ingest.Row {
	c.t.Helper()
	r, err := ingest.Audit{Ledger: c.ledger, Journal: c.journal, Whole: "nha-trang", Localities: c.admission.Localities}.Report(c.t.Context(), time.Now())
	c.must(err)
	if len(r.Differences) > 0 || !r.Balanced {
		c.t.Errorf("balanced %t; rows differ: %+v", r.Balanced, r.Differences)
	}
	return r.Localities
}

// wantRows demands rows, in order.
func (c *city) wantRows(when string, want map[telemetry.Locality]ingest.Outcomes, order ...telemetry.Locality) {
	c.t.Helper()
	var rows []ingest.Row
	for _, l := range order {
		rows = append(rows, ingest.Row{Gateway: "nha-trang", Locality: l, Outcomes: want[l]})
	}
	if diff := cmp.Diff(rows, c.rowsNow()); diff != "" {
		c.t.Errorf("%s:\n%s", when, diff)
	}
}

// Every message is in the row of the locality that its topic names, or in that of none;
// re-drives and discards move it within the row, or to another once there is such a
// locality. A locality that nothing has come of has a row of noughts.
func TestRows(t *testing.T) {
	c := newCity(t)
	c.admission.found("cam-lam")
	c.load()
	at := ago(time.Hour)
	reading := func(topic, fields string) ingest.Message {
		at++
		return message(topic, fmt.Sprintf(`{"ts":%d,%s}`, at, fields))
	}
	twice := reading("kh/cam-ranh/noise/n1", `"laeq":60`)
	c.append(
		reading(airTopic, `"pm25":12`),
		reading(airTopic, `"pm25":12,"loud":1`), // stored in part
		message(airTopic, "not JSON"),
		twice, twice, // the second is a duplicate
		reading("kh/Cam-Ranh/noise/n1", `"laeq":60`),
		reading("kh/ninh-hoa/noise/n2", `"laeq":60`), // a locality that comes later
		message("kh/ninh-hoa/noise/n2", "not JSON"),  // of which the topic is told first
		reading("/kh/cam-ranh/noise/n1", `"laeq":60`),
		message("kh/cam-ranh/canary/~nha-trang", "canary 42"),
		message("kh/canary/~nha-trang", "canary 43"),
	)
	c.settled("nha-trang", 11)
	want := map[telemetry.Locality]ingest.Outcomes{
		"nha-trang":       {Stored: 2, Partial: 1, Quarantined: 1},
		"cam-ranh":        {Stored: 1, Duplicate: 1, Canary: 1},
		ingest.NoLocality: {Quarantined: 4, Canary: 1},
	}
	c.wantRows("counted", want, "cam-lam", "cam-ranh", "nha-trang", ingest.NoLocality)
	reasons := map[telemetry.Reason]string{}
	for _, q := range c.quarantine() {
		reasons[q.Problems[0].Reason] += q.Problems[0].Detail + "\n"
	}
	if strings.Count(reasons[telemetry.UnknownLocality], "there is no locality") != 3 || !strings.Contains(reasons[telemetry.BadTopic], "did you mean kh/cam-ranh/noise/n1?") {
		t.Errorf("the reasons are %q", reasons)
	}
	astray, err := c.ledger.Astray(t.Context(), 10)
	c.must(err)
	var topics []string
	for _, a := range astray {
		topics = append(topics, fmt.Sprintf("%s %d %s %s %s", a.Topic, a.Count, a.Reason, a.Gateway, a.Payload[:min(3, len(a.Payload))]))
	}
	if diff := cmp.Diff([]string{`/kh/cam-ranh/noise/n1 1 bad_topic nha-trang {"t`, "kh/ninh-hoa/noise/n2 2 unknown_locality nha-trang not", `kh/Cam-Ranh/noise/n1 1 unknown_locality nha-trang {"t`}, topics); diff != "" {
		t.Error(diff)
	}

	c.admission.found("ninh-hoa")
	if _, err := c.loader.Redrive(t.Context(), ingest.QuarantineFilter{}); err != nil {
		t.Fatal(err)
	}
	want["ninh-hoa"] = ingest.Outcomes{Stored: 1, Quarantined: 1}
	want[ingest.NoLocality] = ingest.Outcomes{Quarantined: 2, Canary: 1}
	c.wantRows("driven again", want, "cam-lam", "cam-ranh", "nha-trang", "ninh-hoa", ingest.NoLocality)

	if _, err := c.loader.Discard(t.Context(), ingest.QuarantineFilter{}); err != nil {
		t.Fatal(err)
	}
	want["nha-trang"] = ingest.Outcomes{Stored: 2, Discarded: 1}
	want["ninh-hoa"] = ingest.Outcomes{Stored: 1, Discarded: 1}
	want[ingest.NoLocality] = ingest.Outcomes{Discarded: 2, Canary: 1}
	c.wantRows("discarded", want, "cam-lam", "cam-ranh", "nha-trang", "ninh-hoa", ingest.NoLocality)
	c.settled("nha-trang", 11)
}

// A row that does not say what its account says is seen, also after a restart.
func TestRowsThatDoNotAddUp(t *testing.T) {
	c := newCity(t)
	stop := c.load()
	c.append(message(airTopic, fmt.Sprintf(`{"ts":%d,"pm25":12}`, ago(time.Hour))))
	c.settled("nha-trang", 1)
	stop()
	c.must(c.ledger.Close())
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, ledger.FileName))
	c.must(err)
	_, err = db.ExecContext(t.Context(), "UPDATE locality_row SET stored = 0, duplicate = 1 WHERE locality = 'nha-trang'")
	c.must(err)
	c.must(db.Close())
	c.ledger, err = ledger.Open(t.Context(), ledger.Options{Dir: c.dir})
	c.must(err)
	r := c.report()
	want := []ingest.Difference{{Gateway: "nha-trang", Epoch: c.epoch, Account: ingest.Outcomes{Stored: 1}, Rows: ingest.Outcomes{Duplicate: 1}}}
	if diff := cmp.Diff(want, r.Differences); diff != "" || r.Balanced {
		t.Errorf("balanced is %t\n%s", r.Balanced, diff)
	}
}
