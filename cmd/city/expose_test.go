package city

import (
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/devices/access"
)

func TestAdmissionFollowsExposure(t *testing.T) {
	loop := access.Exposure{HTTP: "127.0.0.1:1", MQTT: "127.0.0.1:2"}
	beyond := access.Exposure{HTTP: "0.0.0.0:1", Encrypted: true}
	for _, c := range []struct {
		given string
		e     access.Exposure
		want  string
		err   string
	}{
		{"", loop, "open", ""},
		{"open", loop, "open", ""},
		{"registered", loop, "registered", ""},
		{"", beyond, "registered", ""},
		{"registered", beyond, "registered", ""},
		{"open", beyond, "open", "--admission registered"},
		{"", access.Exposure{HTTP: "127.0.0.1:1", Published: true}, "registered", ""},
		{"", access.Exposure{HTTP: "127.0.0.1:1", MQTT: "0.0.0.0:2"}, "registered", ""},
	} {
		f := registryFlags{Admission: c.given}
		err := f.admit(c.e)
		if f.Admission != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q with %+v: have %q, %v", c.given, c.e, f.Admission, err)
		}
	}
}

func TestRolesOfGroups(t *testing.T) {
	f := oidcFlags{OIDCRole: []string{"cn=field,ou=city=field", "admins=admin"}}
	got, err := f.roles()
	if err != nil || got["cn=field,ou=city"] != access.Field || got["admins"] != access.Admin {
		t.Errorf("have %v, %v", got, err)
	}
	for _, bad := range []string{"", "admin", "=admin", "a=", "a=anyone", "a=Admin"} {
		if got, err := (oidcFlags{OIDCRole: []string{bad}}).roles(); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

func TestShownAddress(t *testing.T) {
	for address, want := range map[string]string{"127.0.0.1:8080": "127.0.0.1:8080", "192.0.2.1:443": "192.0.2.1:443", "[2001:db8::1]:443": "[2001:db8::1]:443", "haidang:443": "haidang:443"} {
		if got := shownAddress(address, nil); got != want {
			t.Errorf("%s is shown as %s", address, got)
		}
	}
	for _, all := range []string{"0.0.0.0:443", "[::]:443", ":443"} {
		got := shownAddress(all, nil)
		if !strings.HasSuffix(got, ":443") || strings.Contains(got, "0.0.0.0") || strings.Contains(got, "::") || strings.HasPrefix(got, ":") {
			t.Errorf("%s is shown as %s", all, got)
		}
	}
}
