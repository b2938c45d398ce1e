package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A browser in which somebody has logged in keeps a sign of it, apart from the
// session and for longer: "nonce.mark.mark", a mark for each of the last accounts.
// It lets nobody in. Who shows it while logging in is counted and queued apart
// from strangers, so that these can take neither tries nor places away (OWASP's
// device cookie). A mark is keyed by what is kept of the password: with a new
// password it is void, and nobody can make one.
const (
	familiarCookie = "haidang-known"
	familiarLife   = 180 * day
	familiarMarks  = 4
	nonceBytes     = 16
)

func parseFamiliar(s string) (nonce string, marks []string) {
	if len(s) > 512 {
		return "", nil
	}
	parts := strings.Split(s, ".")
	if b, err := base64.RawURLEncoding.DecodeString(parts[0]); err != nil || len(b) != nonceBytes {
		return "", nil
	}
	return parts[0], parts[1:min(len(parts), familiarMarks+1)]
}

// markOf is an account's mark for a nonce; empty for one without a password.
func markOf(a Account, nonce string) string {
	if a.Password == "" {
		return ""
	}
	m := hmac.New(sha256.New, []byte(a.Password))
	m.Write([]byte("haidang: this browser has been in\x00" + a.Name + "\x00" + nonce))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// familiar is the nonce of a browser that has been in an account; "" if it has not.
func familiar(a Account, sign Secret) string {
	nonce, marks := parseFamiliar(string(sign))
	mark := markOf(a, nonce)
	if nonce == "" || mark == "" || !slices.ContainsFunc(marks, func(m string) bool { return sameText(m, mark) }) {
		return ""
	}
	return nonce
}

// familiarize is the sign of a browser after a log-in; "" where there is none.
func familiarize(a Account, sign Secret) Secret {
	nonce, marks := parseFamiliar(string(sign))
	if nonce == "" {
		nonce = base64.RawURLEncoding.EncodeToString(random(nonceBytes))
	}
	mark := markOf(a, nonce)
	if mark == "" {
		return ""
	}
	marks = slices.DeleteFunc(marks, func(m string) bool { return m == mark || len(m) != len(mark) })
	marks = append([]string{mark}, marks...)
	return Secret(nonce + "." + strings.Join(marks[:min(len(marks), familiarMarks)], "."))
}

func (q request) familiarCookie(sign Secret) *http.Cookie {
	return &http.Cookie{Name: q.cookieName(familiarCookie), Value: string(sign), Path: "/", Secure: q.secure, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, MaxAge: int(familiarLife / time.Second)}
}
