package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// Secret is text that no formatting verb, log or encoder shows. Convert it to a
// string to use it.
type Secret string

const hidden = "[hidden]"

// Format implements fmt.Formatter for every verb, because a Stringer is passed
// over by some.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText implements encoding.TextMarshaler, which JSON and slog use.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

const (
	tokenPrefix = "hd_"
	secretBytes = 32 // of sessions, tokens and links
	deviceBytes = 20 // of a device's secret; a person may have to type it
	saltBytes   = 16
)

// newSecret is 256 random bits in base64 for URLs.
func newSecret() Secret {
	return Secret(base64.RawURLEncoding.EncodeToString(random(secretBytes)))
}

// random never fails: crypto/rand ends the program if there is no randomness.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// parseSecret reports whether a text has the form of [newSecret], in its one
// spelling.
func parseSecret(s string) bool {
	if len(s) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == secretBytes
}

// parseToken is the secret in an API token.
func parseToken(s string) (Secret, bool) {
	rest, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || !parseSecret(rest) {
		return "", false
	}
	return Secret(rest), true
}

// digest is what is kept of a secret of 256 bits.
func digest(s Secret) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// csrfToken belongs to one session and tells nothing of its secret.
func csrfToken(session Secret) string {
	m := hmac.New(sha256.New, []byte(session))
	m.Write([]byte("haidang: this page is ours"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// newDeviceSecret is 160 random bits in 32 letters and digits of which no two
// look alike.
func newDeviceSecret() Secret {
	e := base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)
	return Secret(e.EncodeToString(random(deviceBytes)))
}

// sealDevice is what is kept of a device's secret: "hmac-sha256$salt$sum".
func sealDevice(s Secret, salt []byte) string {
	m := hmac.New(sha256.New, salt)
	m.Write([]byte(s))
	return "hmac-sha256$" + hex.EncodeToString(salt) + "$" + hex.EncodeToString(m.Sum(nil))
}

// deviceSecretIs reports whether a secret is the one that was sealed.
func deviceSecretIs(s Secret, sealed string) bool {
	parts := strings.Split(sealed, "$")
	if len(parts) != 3 {
		return false
	}
	salt, err := hex.DecodeString(parts[1])
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(sealDevice(s, salt)), []byte(sealed)) == 1
}

// newID is a short name for what has none of its own.
func newID() string { return strings.ToLower(base32.StdEncoding.EncodeToString(random(10))) }

// clip cuts a text from outside to a number of bytes of valid UTF-8 without
// control characters, for the journal.
func clip(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	s = strings.ToValidUTF8(s, "�")
	return strings.Map(func(r rune) rune {
		if r < ' ' || 0x7f <= r && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}
