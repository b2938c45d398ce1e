package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
)

// town is an interface over a real registry with the seed in it.
type town struct {
	t        testing.TB
	api      *api.API
	registry *devices.Registry
	huma     huma.API
	url      string
}

func newTown(t testing.TB) *town {
	t.Helper()
	file := filepath.Join(t.TempDir(), "registry.db")
	if err := os.WriteFile(file, seeded(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r := devices.NewRegistry(s)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := api.New(r)
	a.Asker = func(context.Context) api.Asker {
		return api.Asker{Name: "lan", Role: api.Operator, Scope: devices.Everywhere()}
	}
	a.PublicURL = "https://haidang.example"
	mux := http.NewServeMux()
	h := humago.New(mux, huma.DefaultConfig("Hải Đăng", "test"))
	a.Register(h)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &town{t: t, api: a, registry: r, huma: h, url: server.URL}
}

// seedFile is made once for all tests of the package: seeding takes longer than
// most of them.
var seedFile struct {
	sync.Mutex
	data []byte
}

// seeded is a registry's file with the seed in it.
func seeded(t testing.TB) []byte {
	t.Helper()
	seedFile.Lock()
	defer seedFile.Unlock()
	if seedFile.data != nil {
		return seedFile.data
	}
	file := filepath.Join(t.TempDir(), "seed.db")
	s, err := sqlstore.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	r := devices.NewRegistry(s)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := seed.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if seedFile.data, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	return seedFile.data
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// do sends a request; body is JSON unless it is bytes, headers are pairs.
func (c *town) do(method, path string, body any, headers ...string) *answer {
	c.t.Helper()
	var in io.Reader
	if b, ok := body.([]byte); ok {
		in = bytes.NewReader(b)
	} else if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"/api/v1"+path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return &answer{c.t, method + " " + path, resp.StatusCode, resp.Header, b}
}

// want stops the test unless the status is this one.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %.1000s", a.what, a.status, status, a.body)
	}
	return a
}

// into decodes the body.
func into[T any](a *answer) (v T) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%s: %v: %.1000s", a.what, err, a.body)
	}
	return v
}

// fault wants a problem with an error of this code and field, in both languages.
func (a *answer) fault(status int, code, field string) api.Fault {
	a.t.Helper()
	a.want(status)
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		a.t.Errorf("%s: content type %q", a.what, ct)
	}
	p := into[api.Problem](a)
	for _, f := range p.Errors {
		if f.Code == code && f.Field == field {
			if f.VI == "" || f.EN == "" || p.VI == "" || p.Detail == "" {
				a.t.Errorf("%s: a language is missing: %s", a.what, a.body)
			}
			return f
		}
	}
	a.t.Fatalf("%s: no error %s of field %q: %s", a.what, code, field, a.body)
	return api.Fault{}
}

type object = map[string]any

// site is a sound new site.
func site(id string) object {
	return object{"id": id, "name": "Điểm " + id, "locality": "nha-trang", "ward": "22366", "position": object{"lat": 12.24, "lon": 109.19, "accuracy": 5}}
}

func device(id string, kinds ...string) object { return object{"id": id, "kinds": kinds} }

// registration is a sound one of a new site.
func registration(request, device, at string, kinds ...string) object {
	return object{"request_id": request, "device": object{"id": device, "kinds": kinds}, "site": site(at), "new_site": true}
}

var update = flag.Bool("update", false, "rewrite the golden files")

func TestOpenAPIGolden(t *testing.T) {
	c := newTown(t)
	have, err := json.MarshalIndent(c.huma.OpenAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/openapi.golden.json"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(have, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != string(have) {
		t.Errorf("the document differs from %s; if that is meant, run the test with -update", file)
	}
}

// Each operation says which role it needs, where a middleware and readers find it.
func TestEveryOperationHasARole(t *testing.T) {
	c := newTown(t)
	n := 0
	for path, item := range c.huma.OpenAPI().Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete, item.Patch} {
			if o == nil {
				continue
			}
			n++
			role, _ := o.Metadata[api.MetadataRole].(string)
			if role == "" || o.Extensions[api.ExtensionRole] != role {
				t.Errorf("%s %s: role %q, extension %v", o.Method, path, role, o.Extensions[api.ExtensionRole])
			}
			if o.Method != "GET" && role == string(api.Viewer) {
				t.Errorf("%s %s: a viewer may write", o.Method, path)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d operations", n)
	}
}
