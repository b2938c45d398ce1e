package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

const (
	minPassword = 12  // characters
	maxPassword = 256 // bytes
	argonKey    = 32  // bytes
)

// argon is what argon2id costs.
type argon struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// defaultArgon is at or above all of OWASP's choices of 2024 and RFC 9106's
// second one in time: some 0.1 s of one core.
func defaultArgon() argon { return argon{memory: 46 << 10, passes: 2, threads: 1} }

// bearable refuses what a manipulated store might ask of us.
func (a argon) bearable() bool {
	return a.memory >= 8 && a.memory <= 256<<10 && a.passes >= 1 && a.passes <= 16 && a.threads >= 1 && a.threads <= 8
}

// hasher hashes passwords, a few at a time.
type hasher struct {
	cost argon
	turnstile
	// nobody is compared with where there is no account, at the same cost.
	nobody string
}

func newHasher(cost argon) *hasher {
	h := &hasher{cost: cost}
	h.nobody = h.phc(random(saltBytes), random(argonKey))
	return h
}

// phc is the form of the PHC string format:
// $argon2id$v=19$m=47104,t=2,p=1$salt$key
func (h *hasher) phc(salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.cost.memory, h.cost.passes, h.cost.threads,
		b.EncodeToString(salt), b.EncodeToString(key))
}

// parsePHC reads what phc writes.
func parsePHC(s string) (cost argon, salt, key []byte, ok bool) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return cost, nil, nil, false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &cost.memory, &cost.passes, &cost.threads); err != nil {
		return cost, nil, nil, false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil || len(salt) < 8 || len(salt) > 64 {
		return cost, nil, nil, false
	}
	key, err = base64.RawStdEncoding.DecodeString(parts[5])
	return cost, salt, key, err == nil && len(key) >= 16 && len(key) <= 64 && cost.bearable()
}

// hash makes what is kept of a password: of somebody who is known, for others have
// none to set.
func (h *hasher) hash(ctx context.Context, password Secret) (string, error) {
	release, err := h.enter(ctx, seat{known: true})
	if err != nil {
		return "", err
	}
	defer release()
	salt := random(saltBytes)
	return h.phc(salt, argon2.IDKey(plainText(password), salt, h.cost.passes, h.cost.memory, h.cost.threads, argonKey)), nil
}

// verify reports whether a password is the one that was hashed. An empty or
// unreadable hash costs as much as a good one and never matches. renew says that
// the hash was made at another cost and should be made again.
func (h *hasher) verify(ctx context.Context, password Secret, phc string, s seat) (ok, renew bool, err error) {
	cost, salt, key, known := parsePHC(phc)
	if !known {
		cost, salt, key, _ = parsePHC(h.nobody)
	}
	release, err := h.enter(ctx, s)
	if err != nil {
		return false, false, err
	}
	defer release()
	got := argon2.IDKey(plainText(password), salt, cost.passes, cost.memory, cost.threads, uint32(len(key)))
	same := subtle.ConstantTimeCompare(got, key) == 1
	return same && known, cost != h.cost, nil
}

// plainText is a password's bytes in one spelling: keyboards differ in how they
// compose Vietnamese letters. What is too long to be one is cut; it matches none.
func plainText(p Secret) []byte {
	if len(p) > 4*maxPassword {
		p = p[:4*maxPassword]
	}
	return []byte(norm.NFC.String(string(p)))
}

// checkPassword refuses what is easily guessed; known are words of the person and
// the place. Length counts most, so there are no rules about kinds of characters.
func checkPassword(p Secret, name string, known ...string) *Error {
	s := string(plainText(p))
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) < minPassword || len(s) > maxPassword || len(p) > maxPassword ||
		len(name) > 3 && strings.Contains(strings.ToLower(s), name) {
		return fault(ReasonWeakPassword, "password", minPassword, maxPassword)
	}
	if guessable(p, append(known, name)...) {
		return fault(ReasonGuessable, "password")
	}
	return nil
}
