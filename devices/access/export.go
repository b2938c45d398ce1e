package access

import (
	"bufio"
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	mosquittoPasses = 101 // Mosquitto's own choice; the secrets are random
	mosquittoSalt   = 12
	mosquittoKey    = 64
)

// mosquittoHash is a secret in the form of Mosquitto's password file:
// $7$passes$salt$key with PBKDF2-SHA-512.
func mosquittoHash(s Secret) string {
	salt := random(mosquittoSalt)
	key, err := pbkdf2.Key(sha512.New, string(s), salt, mosquittoPasses, mosquittoKey)
	if err != nil { // only where policy forbids the algorithm; then no secret matches
		key = random(mosquittoKey)
	}
	b := base64.StdEncoding
	return fmt.Sprintf("$7$%d$%s$%s", mosquittoPasses, b.EncodeToString(salt), b.EncodeToString(key))
}

// Service is a user of an external broker that is no device, such as a gateway.
// Its topics may have wildcards.
type Service struct {
	Username        string
	Password        Secret
	Read, Published []string
}

// MosquittoPasswords writes the file that Mosquitto takes as password_file. It
// has the newest credential of each device: Mosquitto knows one password for a
// user, so the overlap of a rotation ends for it when the file is taken over.
func (c *Control) MosquittoPasswords(ctx context.Context, p Principal, w io.Writer, services ...Service) error {
	if err := p.needs(Admin); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, s := range services {
		if err := checkService(s); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s:%s\n", s.Username, mosquittoHash(s.Password))
	}
	var last telemetry.Device
	err := c.store.Read(ctx, func(r Reader) error {
		return r.LiveCredentials(ctx, c.now(), func(one Credential) error {
			if one.Device == last {
				return nil
			}
			last = one.Device
			_, err := fmt.Fprintf(out, "%s:%s\n", Username(one.Device), one.Mosquitto)
			return err
		})
	})
	if err == nil {
		err = out.Flush()
	}
	return wrapped("export passwords", err)
}

// MosquittoService writes the lines of one user that is no device, to be added to
// the two files.
func MosquittoService(passwords, acl io.Writer, s Service) error {
	if err := checkService(s); err != nil {
		return err
	}
	out := bufio.NewWriter(acl)
	writeACL(out, s.Username, s.Published, s.Read)
	_, err := fmt.Fprintf(passwords, "%s:%s\n", s.Username, mosquittoHash(s.Password))
	return wrapped("export user", errors.Join(err, out.Flush()))
}

// checkService keeps a line from becoming two.
func checkService(s Service) error {
	bad := func(text string) bool {
		return slices.ContainsFunc([]byte(text), func(b byte) bool { return b < ' ' || b == 0x7f })
	}
	if telemetry.CheckID(s.Username) != nil || Username(telemetry.Device(s.Username)) != s.Username {
		return fmt.Errorf("export user %q: its name may have only letters, digits, dots, - and _", clip(s.Username, 64))
	}
	for _, t := range slices.Concat(s.Read, s.Published) {
		if t == "" || bad(t) {
			return fmt.Errorf("export user %q: topic %q cannot be written", s.Username, clip(t, 64))
		}
	}
	return nil
}

// MosquittoACL writes the file that Mosquitto takes as acl_file. It has every
// device that stands somewhere; whoever it does not name may do nothing.
func (c *Control) MosquittoACL(ctx context.Context, p Principal, w io.Writer, services ...Service) error {
	if err := p.needs(Admin); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "# Written by haidang. Each device publishes on its own topics and hears its own commands.\n")
	for _, s := range services {
		if err := checkService(s); err != nil {
			return err
		}
		writeACL(out, s.Username, s.Published, s.Read)
	}
	err := c.store.Read(ctx, func(r Reader) error {
		return r.Standings(ctx, nil, func(s devices.Standing) error {
			if g, err := c.grant(s.Device, s); err == nil {
				writeACL(out, Username(s.Device), g.Publish, g.Subscribe)
			}
			return nil
		})
	})
	if err == nil {
		err = out.Flush()
	}
	return wrapped("export topics", err)
}

// writeACL writes one user; the writer keeps its errors until it is flushed.
func writeACL(out *bufio.Writer, user string, publish, read []string) {
	fmt.Fprintf(out, "\nuser %s\n", user)
	for _, t := range publish {
		fmt.Fprintf(out, "topic write %s\n", t)
	}
	for _, t := range read {
		fmt.Fprintf(out, "topic read %s\n", t)
	}
}
