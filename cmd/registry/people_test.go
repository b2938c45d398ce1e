package registry

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/haidang-iot/haidang/cmd/city"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
)

// townHall is a terminal before a registry where people must log in.
type townHall struct {
	t       *testing.T
	url     string
	control *access.Control
}

const hallPassword = "sóng biển Nha Trang 27"

func newTownHall(t *testing.T) *townHall {
	t.Helper()
	t.Setenv("HAIDANG_URL", "")
	t.Setenv("HAIDANG_PASSWORD", hallPassword)
	ctx := t.Context()
	s, err := sqlstore.Open(ctx, filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	r := devices.NewRegistry(s)
	if err := r.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := seed.Apply(ctx, r); err != nil {
		t.Fatal(err)
	}
	c, err := access.New(access.Options{Store: s.Access()})
	if err != nil {
		t.Fatal(err)
	}
	here := access.Caller{Remote: netip.MustParseAddr("127.0.0.1")}
	if _, err := c.CreateAccount(ctx, access.System("test"), access.NewAccount{Name: "an", Role: access.Admin, Password: hallPassword}, here); err != nil {
		t.Fatal(err)
	}
	issued, err := c.CreateToken(ctx, access.Principal{Account: "an", Role: access.Admin}, "test", access.Scopes(), 24*time.Hour, here)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HAIDANG_TOKEN", string(issued.Secret))
	mux := http.NewServeMux()
	h := humago.New(mux, huma.DefaultConfig("Hải Đăng", "test"))
	h.UseMiddleware(c.Operations)
	a := api.New(r)
	a.Asker = func(ctx context.Context) api.Asker {
		p := access.Actor(ctx)
		return api.Asker{Name: p.String(), Role: api.Role(p.Role), Scope: p.Scope()}
	}
	a.Credentials = city.Credentials{Control: c}
	a.Refusals = city.Refusals{Control: c}
	a.Register(h)
	c.Register(h)
	server := httptest.NewServer(c.Middleware(mux))
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &townHall{t, server.URL, c}
}

// registryLines are the command lines of the registry.
type registryLines struct {
	Devices Devices `cmd:""`
	Sites   Sites   `cmd:""`
	Wards   Wards   `cmd:""`
	People  People  `cmd:""`
	Tokens  Tokens  `cmd:""`
}

// run runs a command line against the hall.
func (h *townHall) run(args ...string) outcome {
	h.t.Helper()
	o := outcome{t: h.t, line: strings.Join(args, " ")}
	var stdout, stderr bytes.Buffer
	o.code = terminal.Run(h.t.Context(), new(registryLines), append(args, "--url", h.url), &stdout, &stderr)
	o.stdout, o.stderr = stdout.String(), stderr.String()
	return o
}

func TestPeople(t *testing.T) {
	h := newTownHall(t)
	h.run("people", "list").want(0, "NAME  ROLE", "an    admin")
	link := answerOf[struct{ URL, Link string }](h.run("people", "invite", "--role", "field", "--locality", "nha-trang", "--json").want(0))
	if link.URL != h.url+"/welcome#"+link.Link {
		t.Errorf("the link is %+v", link)
	}
	if _, err := h.control.Redeem(t.Context(), access.Secret(link.Link), "lan", "Trần Thị Lan", hallPassword, access.Caller{}); err != nil {
		t.Fatal(err)
	}
	h.run("people", "list").want(0, "lan   Trần Thị Lan  field  nha-trang")
	h.run("people", "role", "lan", "operator").want(0, "lan is operator of nha-trang.")
	h.run("people", "role", "lan", "field", "--locality", "cam-lam,cam-ranh").want(0, "lan is field of cam-lam, cam-ranh.")
	h.run("people", "role", "lan", "operator", "--all-localities").want(0, "lan is operator of all localities.")
	h.run("people", "disable", "LAN").want(0, "lan is operator of all localities, disabled.")
	h.run("people", "enable", "lan").want(0, "lan is operator of all localities.")
	h.run("people", "reset", "lan").want(0, h.url+"/welcome#", "Good once")
	h.run("people", "disable", "an").want(1, "409", "last administrator")
	h.run("people", "role", "nobody", "viewer").want(1, "haidang people list")
	h.run("people", "role", "lan", "king").want(2, "operator")
	h.run("people", "invite").want(2, "--role")
	t.Setenv("HAIDANG_TOKEN", "hd_wrong")
	h.run("people", "list").want(1, "401", "make a new one")
}

func TestTokens(t *testing.T) {
	h := newTownHall(t)
	h.run("tokens", "list").want(0, "test", "an", "admin")
	made := answerOf[access.TokenAnswer](h.run("tokens", "create", "grafana", "--user", "an", "--scope", "read", "--json").want(0))
	h.run("tokens", "list").want(0, made.ID, "grafana")
	t.Run("what it may do", func(t *testing.T) {
		t.Setenv("HAIDANG_TOKEN", made.Secret)
		h.run("sites", "list", "--limit", "1").want(0, "1 of 49")
		h.run("sites", "add", "X", "--locality", "nha-trang").want(1, "403")
	})
	if sessions := h.run("tokens", "create", "again", "--user", "an", "--scope", "read,register").want(0, "hd_", "not shown again"); strings.Contains(sessions.stderr, "hd_") {
		t.Error("the secret is told twice")
	}
	h.run("tokens", "revoke", made.ID).want(0, "is revoked")
	h.run("tokens", "list").want(0, "REVOKED")
	t.Run("revoked", func(t *testing.T) {
		t.Setenv("HAIDANG_TOKEN", made.Secret)
		h.run("sites", "list").want(1, "401")
	})
	h.run("tokens", "revoke", "none").want(1, "none: ", "404")
	h.run("tokens", "create", "x", "--user", "an", "--scope", "read", "--days", "0").want(1, "--days is 0")
	h.run("tokens", "create", "x", "--user", "an", "--scope", "all").want(2, "register")
	t.Setenv("HAIDANG_PASSWORD", "wrong")
	h.run("tokens", "create", "x", "--user", "an", "--scope", "read").want(1, "401")
	if got := devicesLineTo(h, "http://192.0.2.1", "tokens", "create", "x", "--user", "an", "--scope", "read").want(1, "https://"); strings.Contains(got.stderr, "wrong") {
		t.Errorf("the password is told: %s", got.stderr)
	}
}

// devicesLineTo asks another address.
func devicesLineTo(h *townHall, url string, args ...string) outcome {
	other := *h
	other.url = url
	return other.run(args...)
}

func TestSites(t *testing.T) {
	h := newTownHall(t)
	h.run("sites", "list", "thap", "--locality", "nha-trang").want(0, "SITE", "thap-ba")
	h.run("sites", "list", "no", "such").want(0, "No site is like that.")
	h.run("sites", "list", "--limit", "2").want(0, "2 of 49", "More: --after ")
	h.run("sites", "add", "Cầu Mới", "--locality", "nha-trang", "--ward", "22366", "--position", "12.2589,109.1987", "--tag", "bridge,flood", "--height", "3.5").
		want(0, "cau-moi", "12.258900, 109.198700", "3.5 m", "bridge, flood", "planned")
	h.run("sites", "add", "Swapped", "--locality", "nha-trang", "--ward", "22366", "--position", "109.1987,12.2589").want(1, "422", "12.2589")
	h.run("sites", "add", "X", "--position", "north").want(1, `--position is "north"`)
	h.run("sites", "edit", "cau-moi").want(1, "nothing is to be changed")
	h.run("sites", "edit", "cau-moi", "--name", "Cầu Mới 2", "--notes", "trên cột thứ ba", "--why", "looked again").want(0, "Cầu Mới 2", "trên cột thứ ba", "version       2", "bridge, flood")
	h.run("sites", "edit", "cau-moi", "--notes", "", "--tag", "bridge", "--if-version", "1").want(1, "412")
	s := answerOf[api.Site](h.run("sites", "edit", "cau-moi", "--notes", "", "--position", "12.26,109.2", "--json").want(0))
	if s.Notes != "" || s.Position.Lat != 12.26 || s.MountHeight != 3.5 || s.Version != 3 {
		t.Errorf("edited to %+v", s)
	}
	h.run("sites", "show", "cau-moi").want(0, "version       3")
	h.run("sites", "show", "nowhere").want(1, "404")
	h.run("sites", "retire", "cau-moi").want(2, "--why")
	h.run("sites", "retire", "cau-moi", "--why", "bridge torn down").want(0, "retired")
	h.run("sites", "reopen", "cau-moi", "--why", "built again").want(0, "planned")
	h.run("devices", "changes", "--site", "cau-moi").want(0, "looked again", "bridge torn down", "built again")
}

func TestDevicesEditMoveRemoveSecret(t *testing.T) {
	h := newTownHall(t)
	h.run("devices", "add", "aq-1", "--kind", "air_quality", "--site", "thap-ba", "--serial", "0817").want(0)
	h.run("devices", "edit", "aq-1").want(1, "nothing is to be changed")
	h.run("devices", "edit", "aq-1", "--model", "AQ-200", "--serial", "", "--why", "looked again").want(0, "model         AQ-200", "air_quality")
	if got := h.run("devices", "show", "aq-1").want(0); strings.Contains(got.stdout, "0817") {
		t.Errorf("the serial number is still there:\n%s", got.stdout)
	}
	d := answerOf[api.Device](h.run("devices", "edit", "aq-1", "--kind", "air_quality,weather", "--json").want(0))
	if d.Serial != "" || d.Model != "AQ-200" || len(d.Kinds) != 2 {
		t.Errorf("edited to %+v", d)
	}
	h.run("devices", "edit", "aq-1", "--notes", "x", "--if-version", "1").want(1, "412", "haidang devices show aq-1")
	h.run("devices", "edit", "none", "--notes", "x").want(1, "404")

	h.run("devices", "move", "aq-1", "--to", "nowhere").want(1, "404")
	h.run("devices", "show", "aq-1").want(0, "thap-ba") // nothing of it was done
	h.run("devices", "move", "aq-1", "--to", "cau-da", "--why", "post torn down").want(0, "aq-1 stands at cau-da since")
	h.run("devices", "remove", "aq-1", "--why", "painted").want(0, "aq-1 is planned, stands nowhere")
	h.run("devices", "move", "aq-1", "--to", "cau-da").want(1, "409")
	h.run("devices", "changes", "aq-1").want(0, "post torn down", "painted")

	h.run("devices", "secret", "list", "aq-1").want(0, "aq-1 has no credentials.")
	first := answerOf[access.IssuedAnswer](h.run("devices", "secret", "issue", "aq-1", "--json").want(0))
	h.run("devices", "secret", "issue", "aq-1", "--overlap-hours", "24").want(0, "user    aq-1", "secret  ", "not shown again")
	if list := h.run("devices", "secret", "list", "aq-1").want(0, "ISSUED", "EXPIRES"); strings.Contains(list.stdout, first.Secret) {
		t.Error("a list shows a secret")
	}
	h.run("devices", "secret", "revoke", "aq-1").want(2, "--why")
	h.run("devices", "secret", "revoke", "aq-1", "--why", "stolen").want(0, "are revoked")
	h.run("devices", "secret", "list", "aq-1").want(0, "REVOKED")
	h.run("devices", "secret", "issue", "none").want(1, "404")
}

func TestCommandsOfPeopleAndPlacesHaveExamples(t *testing.T) {
	for group, commands := range map[string]string{"sites": "list show add edit retire reopen", "people": "list invite role disable enable reset",
		"tokens": "list create revoke"} {
		helpOf(t, group).want(0, "Examples:")
		for name := range strings.FieldsSeq(commands) {
			helpOf(t, group, name).want(0, "Examples:", "haidang "+group+" "+name)
		}
	}
}

// helpOf is the help of a command.
func helpOf(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := terminal.Run(t.Context(), new(registryLines), append(args, "--help"), &stdout, &stderr)
	return outcome{t: t, line: strings.Join(args, " "), code: code, stdout: stdout.String(), stderr: stderr.String()}
}
