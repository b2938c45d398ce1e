package access

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OIDCHandler serves OIDCStartPath and OIDCCallbackPath; main mounts it at
// /auth/oidc/ behind [Control.Middleware].
func (c *Control) OIDCHandler() http.Handler {
	mux := http.NewServeMux()
	if c.oidc != nil {
		mux.HandleFunc("GET "+OIDCStartPath, c.oidcStart)
		mux.HandleFunc("GET "+OIDCCallbackPath, c.oidcCallback)
	}
	return mux
}

// oidcStart sends the browser to the issuer.
func (c *Control) oidcStart(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	if err := q.canKeep(); err != nil {
		c.oidcFailed(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), c.oidc.Client), oidcTimeout)
	defer cancel()
	release, err := c.oidc.slot()
	if err != nil {
		c.oidcFailed(w, r, err)
		return
	}
	_, conf, err := c.oidc.discover(ctx)
	release()
	if err != nil {
		c.oidcFailed(w, r, err)
		return
	}
	f := flow{State: string(newSecret()), Nonce: string(newSecret()), Verifier: oauth2.GenerateVerifier(),
		Next: nextPage(r.URL.Query().Get("next")), Expires: c.now().Add(oidcLife)}
	http.SetCookie(w, q.flowCookie(f.String(), int(oidcLife.Seconds())))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, conf.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), http.StatusSeeOther)
}

// slot is leave to ask the issuer something; few at a time get it.
func (p *provider) slot() (release func(), err error) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	default:
		return nil, busy()
	}
}

func (q request) flowCookie(value string, age int) *http.Cookie {
	// Lax, because the issuer sends the browser back here.
	return &http.Cookie{Name: q.cookieName(oidcCookie), Value: value, Path: "/", MaxAge: age, Secure: q.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// oidcCallback takes the browser back, with a code.
func (c *Control) oidcCallback(w http.ResponseWriter, r *http.Request) {
	q := requestOf(r.Context())
	cookie, err := r.Cookie(q.cookieName(oidcCookie))
	http.SetCookie(w, q.flowCookie("", -1)) // good for one try
	if err != nil {
		c.oidcFailed(w, r, errors.New("the browser brought no log-in under way"))
		return
	}
	f, ok := parseFlow(cookie.Value)
	query := r.URL.Query()
	switch {
	case !ok || !sameText(f.State, query.Get("state")):
		err = errors.New("the state is another log-in's")
	case !c.now().Before(f.Expires):
		err = errors.New("the log-in took too long")
	case query.Get("error") != "":
		err = errors.New("the issuer refused: " + clip(query.Get("error"), 64))
	case query.Get("code") == "":
		err = errors.New("the issuer gave no code")
	default:
		err = c.oidcEnter(w, r, q, query.Get("code"), f)
	}
	if err != nil {
		c.oidcFailed(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, nextPage(f.Next), http.StatusSeeOther)
}

func (c *Control) oidcEnter(w http.ResponseWriter, r *http.Request, q request, code string, f flow) error {
	if err := q.canKeep(); err != nil {
		return err
	}
	release, err := c.oidc.slot()
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), c.oidc.Client), oidcTimeout)
	defer cancel()
	cl, err := c.oidc.exchange(ctx, code, f)
	if err != nil {
		return err
	}
	in, err := c.enter(ctx, cl, q.caller())
	if err != nil {
		return err
	}
	http.SetCookie(w, c.cookie(q, in.Secret, in.Expires))
	return nil
}

// oidcFailed sends the browser to the log-in page with the reason; what the
// issuer said stays in journal and log.
func (c *Control) oidcFailed(w http.ResponseWriter, r *http.Request, err error) {
	reason := ReasonOf(err)
	if reason == "" || reason == ReasonInternal {
		c.log.Warn("log-in through the issuer failed", "error", err)
	}
	if reason == "" {
		reason = ReasonOIDC
	}
	c.journal.refused(Event{Action: LogInFailed, Reason: string(reason), Detail: "OIDC: " + err.Error(), Remote: requestOf(r.Context()).caller().remote()})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, LogInPath+"?error="+url.QueryEscape(string(reason)), http.StatusSeeOther)
}

// enter logs in whom the issuer vouches for. The account takes role and
// localities from the claims, each time.
func (c *Control) enter(ctx context.Context, cl claims, from Caller) (in SignedIn, err error) {
	err = c.store.Write(ctx, func(tx Tx) error {
		a, err := tx.AccountOf(ctx, c.oidc.Issuer, cl.subject)
		switch {
		case errors.Is(err, ErrMissing):
			a, err = c.welcome(ctx, tx, cl, from)
		case err == nil && !a.Disabled.IsZero():
			err = fault(ReasonNoOIDCRole, "")
		case err == nil:
			a, err = c.refresh(ctx, tx, a, cl, from)
		}
		if err != nil {
			return err
		}
		if in, err = c.beginIn(ctx, tx, a, from); err != nil {
			return err
		}
		return c.record(ctx, tx, Event{Action: LoggedIn, Who: a.Name, Subject: a.Name, Detail: "OIDC", Remote: from.remote()})
	})
	if err == nil {
		c.guard()
	}
	return in, wrapped("log in through issuer", err)
}

// welcome makes the account of somebody who comes for the first time.
func (c *Control) welcome(ctx context.Context, tx Tx, cl claims, from Caller) (Account, error) {
	if _, err := tx.Account(ctx, cl.name); err == nil {
		return Account{}, fault(ReasonNameTaken, "name", cl.name)
	} else if !errors.Is(err, ErrMissing) {
		return Account{}, err
	}
	a := Account{Name: cl.name, Display: cl.shown, Role: cl.role, Localities: cl.localities, Issuer: c.oidc.Issuer, Subject: cl.subject,
		Created: c.now(), Updated: c.now(), Version: 1}
	if err := tx.PutAccount(ctx, a); err != nil {
		return Account{}, err
	}
	return a, c.record(ctx, tx, Event{Action: AccountMade, Who: "oidc", Subject: a.Name, Detail: describe(a), Remote: from.remote()})
}

// refresh takes over what changed at the issuer.
func (c *Control) refresh(ctx context.Context, tx Tx, a Account, cl claims, from Caller) (Account, error) {
	before := a
	a.Role, a.Localities = cl.role, cl.localities
	if cl.shown != "" {
		a.Display = cl.shown
	}
	if describe(before) == describe(a) && before.Display == a.Display {
		return a, nil
	}
	a.Updated = c.now()
	a.Version++
	if err := tx.PutAccount(ctx, a); err != nil {
		return a, err
	}
	return a, c.recordChange(ctx, tx, Principal{Account: "oidc"}, before, a, from)
}
