package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices/api"
)

// importing sends a file and calls f for every line of the answer, until it says no.
func (c *town) importing(query string, file []byte, f func(api.ImportLine) bool) (lines []api.ImportLine) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/v1/import?"+query, bytes.NewReader(file))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || kind != "application/x-ndjson" {
		c.t.Fatalf("status %d, type %q", resp.StatusCode, kind)
	}
	for in := bufio.NewReader(resp.Body); ; {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return lines
		}
		var l api.ImportLine
		if err == nil {
			err = json.Unmarshal(text, &l)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if lines = append(lines, l); !f(l) {
			return lines
		}
	}
}

func always(api.ImportLine) bool { return true }

func TestImportTellsHowFar(t *testing.T) {
	const rows = 1200
	c := newTown(t)
	lines := c.importing("", big(rows), always)
	var done []int
	for _, l := range lines {
		if l.Rows != rows {
			t.Errorf("of %d rows", l.Rows)
		}
		done = append(done, l.Done)
	}
	if diff := cmp.Diff([]int{0, 500, 1000, 1200, 1200}, done); diff != "" {
		t.Error(diff)
	}
	last := lines[len(lines)-1]
	want := into[api.ImportResult](c.do("POST", "/import", big(rows)).want(200))
	if last.Problem != nil || last.Result == nil || cmp.Diff(want, *last.Result) != "" {
		t.Errorf("the result is %+v, %+v", last.Result, last.Problem)
	}
	if lines = c.importing("partial=true", big(rows), always); lines[len(lines)-1].Result.Imported != rows-137 {
		t.Errorf("%+v", lines[len(lines)-1].Result)
	}
	// What is wrong with the whole file is told before anything is.
	c.do("POST", "/import", []byte("1,2\n3,4\n"), "Accept", "application/x-ndjson").fault(422, "no_header", "file")
}

// Who goes away in the middle leaves nothing half-written, and may go on.
func TestImportStopped(t *testing.T) {
	const rows = 5000
	file := plainRows(rows)
	stop := func(l api.ImportLine) bool { return l.Done < 1000 }
	for query, left := range map[string]func(n int) bool{
		"":             func(n int) bool { return n == 0 },
		"partial=true": func(n int) bool { return n >= 500 && n < rows && n%500 == 0 },
	} {
		t.Run(query, func(t *testing.T) {
			c := newTown(t)
			c.importing(query, file, stop)
			c.do("POST", "/devices", object{"id": "next", "kinds": []string{"noise"}}).want(201) // its turn comes when the import is over
			n := into[api.DevicePage](c.do("GET", "/devices?limit=1", nil).want(200)).Total - 1
			if !left(n) {
				t.Errorf("%d devices are there", n)
			}
			if n = into[api.SitePage](c.do("GET", "/sites?limit=1&kind=air_quality", nil).want(200)).Total; !left(n) {
				t.Errorf("%d sites are there", n)
			}
			lines := c.importing(query, file, always)
			if r := lines[len(lines)-1].Result; r == nil || r.Imported+r.Unchanged != rows || r.Failed != 0 {
				t.Errorf("then imported: %+v", r)
			}
			if n = into[api.DevicePage](c.do("GET", "/devices?limit=1", nil).want(200)).Total; n != rows+1 {
				t.Errorf("%d devices in the end", n)
			}
		})
	}
}

// deadlines notes the last write deadline that was set.
type deadlines struct {
	*httptest.ResponseRecorder
	last time.Time
	set  bool
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.last, d.set = t, true
	return nil
}

// Over HTTP/2 a stream is cut once its deadline passes, although nothing is being
// written: between lines there must be none.
func TestStreamHasNoDeadlineBetweenLines(t *testing.T) {
	c := newTown(t)
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/import?dry_run=true", bytes.NewReader(plainRows(10)))
	r.Header.Set("Accept", "application/x-ndjson")
	c.huma.Adapter().ServeHTTP(w, r)
	if !w.set || !w.last.IsZero() || !bytes.Contains(w.Body.Bytes(), []byte(`"imported":10`)) {
		t.Errorf("the deadline is %v; %s", w.last, w.Body)
	}
}

// plainRows is a file whose rows are all right.
func plainRows(n int) []byte {
	var b bytes.Buffer
	b.WriteString("device_id,kinds,site_id,site_name,locality,ward,lat,lon\n")
	for i := range n {
		fmt.Fprintf(&b, "dev-%05d,air_quality,site-%05d,Điểm số %d,nha-trang,22366,%.5f,%.5f\n", i, i, i, 12.20+float64(i%300)/5000, 109.15+float64(i/300)/5000)
	}
	return b.Bytes()
}
