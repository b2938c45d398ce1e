package city

import (
	"errors"
	"fmt"
	"strings"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
)

// oidcFlags let people of an OpenID Connect issuer in, such as Keycloak.
type oidcFlags struct {
	OIDCIssuer       string   `name:"oidc-issuer" help:"OpenID Connect issuer whose people may log in." placeholder:"URL"`
	OIDCClientID     string   `name:"oidc-client-id" help:"With --oidc-issuer: this console's id there." placeholder:"ID"`
	OIDCClientSecret string   `name:"oidc-client-secret" env:"HAIDANG_OIDC_CLIENT_SECRET" help:"With --oidc-issuer: its secret; better given in the environment." placeholder:"SECRET"`
	OIDCScope        []string `name:"oidc-scope" help:"With --oidc-issuer: what is asked for beside openid. Default: profile." placeholder:"WORD"`
	OIDCRoleClaim    string   `name:"oidc-role-claim" help:"With --oidc-issuer: the claim that holds a person's groups; a dot leads into an object." placeholder:"realm_access.roles"`
	OIDCRole         []string `name:"oidc-role" sep:"none" help:"With --oidc-role-claim: which role (viewer, field, operator, admin) a group gives; may be repeated. The greatest counts." placeholder:"GROUP=ROLE"`
	OIDCDefaultRole  string   `name:"oidc-default-role" help:"With --oidc-issuer: the role of who has none by a group; without it they are not let in." placeholder:"ROLE"`
	OIDCNameClaim    string   `name:"oidc-name-claim" help:"With --oidc-issuer: the claim that is the account's name. Default: preferred_username." placeholder:"CLAIM"`
	OIDCPlaceClaim   string   `name:"oidc-locality-claim" help:"With --oidc-issuer: the claim that lists the localities a person may change; without it all." placeholder:"CLAIM"`
}

// check finds what is wrong before anything is opened.
func (f oidcFlags) check() error {
	if f.OIDCIssuer == "" {
		for _, g := range []struct{ flag, value string }{
			{"--oidc-client-id", f.OIDCClientID}, {"--oidc-scope", strings.Join(f.OIDCScope, ",")},
			{"--oidc-role-claim", f.OIDCRoleClaim}, {"--oidc-role", strings.Join(f.OIDCRole, ",")}, {"--oidc-default-role", f.OIDCDefaultRole},
			{"--oidc-name-claim", f.OIDCNameClaim}, {"--oidc-locality-claim", f.OIDCPlaceClaim},
		} {
			if g.value != "" {
				return fmt.Errorf("%s is %q, but no issuer is named: give --oidc-issuer, or leave it out", g.flag, g.value)
			}
		}
		return nil
	}
	if f.OIDCClientID == "" {
		return fmt.Errorf("--oidc-issuer %s is given without --oidc-client-id: give the id under which the issuer knows this console", terminal.Redact(f.OIDCIssuer))
	}
	if len(f.OIDCRole) > 0 != (f.OIDCRoleClaim != "") {
		return errors.New("--oidc-role and --oidc-role-claim go together: the claim holds a person's groups, and --oidc-role says which role each gives")
	}
	if len(f.OIDCRole) == 0 && f.OIDCDefaultRole == "" {
		return fmt.Errorf("--oidc-issuer %s is given, but nothing says which role its people get: give --oidc-role-claim and --oidc-role GROUP=ROLE, or --oidc-default-role viewer", terminal.Redact(f.OIDCIssuer))
	}
	if _, err := f.roles(); err != nil {
		return err
	}
	if r := access.Role(f.OIDCDefaultRole); r != "" && !r.Allows(access.Viewer) {
		return fmt.Errorf("--oidc-default-role is %q: give %s", r, roleWords())
	}
	return nil
}

// roles says which role a group gives. A group may have a = in its name, as those
// of a directory do; a role has none.
func (f oidcFlags) roles() (map[string]access.Role, error) {
	out := map[string]access.Role{}
	for _, text := range f.OIDCRole {
		at := strings.LastIndexByte(text, '=')
		if at < 1 || !access.Role(text[at+1:]).Allows(access.Viewer) {
			return nil, fmt.Errorf("--oidc-role is %q: write GROUP=ROLE, with the role %s", text, roleWords())
		}
		out[text[:at]] = access.Role(text[at+1:])
	}
	return out, nil
}

func roleWords() string {
	var words []string
	for _, r := range access.Roles() {
		words = append(words, string(r))
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// oidc is the issuer as access control takes it, nil where there is none; console
// is where browsers reach us.
func (f oidcFlags) oidc(console string) (*access.OIDC, error) {
	if f.OIDCIssuer == "" {
		return nil, nil
	}
	roles, err := f.roles()
	if err != nil {
		return nil, err
	}
	return &access.OIDC{
		Issuer: f.OIDCIssuer, ClientID: f.OIDCClientID, ClientSecret: access.Secret(f.OIDCClientSecret),
		RedirectURL: console + access.OIDCCallbackPath, Scopes: f.OIDCScope,
		RoleClaim: f.OIDCRoleClaim, Roles: roles, Default: access.Role(f.OIDCDefaultRole),
		NameClaim: f.OIDCNameClaim, LocalityClaim: f.OIDCPlaceClaim,
	}, nil
}
