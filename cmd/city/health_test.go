package city

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/cmd/terminal"
)

// healthLine runs one command line.
func healthLine(args ...string) (code int, stdout, stderr string) {
	var cli struct {
		Health Health `cmd:""`
	}
	var o, e bytes.Buffer
	code = terminal.Run(context.Background(), &cli, append([]string{"health"}, args...), &o, &e)
	return code, o.String(), e.String()
}

func TestHealth(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Error(w, "store: away", http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{0, "", []string{"--url", s.URL}},
		{1, "store: away", []string{"--url", s.URL, "--ready"}},
		{1, "is `haidang up` running there?", []string{"--url", "http://127.0.0.1:1"}},
		{1, "does the address begin with http://?", []string{"--url", strings.Replace(s.URL, "http:", "https:", 1)}},
	} {
		if code, _, stderr := healthLine(c.args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit code %d: %s", c.args, code, stderr)
		}
	}
}
