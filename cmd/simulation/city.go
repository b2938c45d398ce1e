package simulation

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// cityFlags say how simulated devices become known to a city.
type cityFlags struct {
	Register    bool   `help:"Register the devices and their sites with the city at --url first, marked as simulated."`
	Credentials string `type:"path" help:"Each device connects by itself with its own secret, kept in this file; the city at --url issues those that are not in it." placeholder:"FILE"`
	City        string `name:"url" env:"HAIDANG_URL" default:"http://127.0.0.1:8080" help:"City that takes the readings: devices are registered there, and it is asked whether it already holds a scenario's times." placeholder:"http://127.0.0.1:8080"`
	Token       string `env:"HAIDANG_TOKEN" help:"API token for --url; better given in the environment." placeholder:"SECRET"`
}

const (
	// simulatedSince is since when simulated devices stand where they stand: before
	// any time line, and always the same, so that a registration repeated finds
	// itself done.
	simulatedSince = "2020-01-01"
	// registeredAtOnce bounds one request.
	registeredAtOnce = 10_000
	// issuedAtOnce is how many secrets are asked for at a time.
	issuedAtOnce = 4
)

// prepare makes the devices known and returns their secrets, nil where they have
// none of their own.
func (f *cityFlags) prepare(ctx context.Context, fleet *simulator.Fleet, only []int, ask terminal.ClientFlags, stderr io.Writer) (map[telemetry.Device]string, error) {
	sending := native(fleet, only)
	if left := len(only) - len(sending); left > 0 && (f.Register || f.Credentials != "") {
		fmt.Fprintf(stderr, "%s devices in formats that the city has no topics for are not registered.\n", terminal.Grouped(int64(left)))
	}
	city := terminal.CityFlags{ClientFlags: ask}
	if f.Register {
		if err := f.register(ctx, fleet, sending, city, stderr); err != nil {
			return nil, fmt.Errorf("register simulated devices: %w", err)
		}
	}
	if f.Credentials == "" {
		return nil, nil
	}
	return f.secrets(ctx, ids(fleet, sending), city, stderr)
}

// register imports devices and sites, some thousands at a time. Devices that stand
// somewhere already stay there.
func (f *cityFlags) register(ctx context.Context, fleet *simulator.Fleet, only []int, city terminal.CityFlags, stderr io.Writer) error {
	all, p := fleet.Devices(), terminal.NewProgress(stderr)
	defer p.End()
	done, before, uses := 0, 0, seedUses()
	for part := range slices.Chunk(only, registeredAtOnce) {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		_ = w.Write([]string{"device_id", "kinds", "simulated", "device_notes", "site_id", "site_name", "locality", "ward", "lat", "lon", "tags", "from", "cadence_seconds"}) // into memory
		for _, i := range part {
			_ = w.Write(registration(&all[i], uses))
		}
		w.Flush()
		var r api.ImportResult
		q := url.Values{"partial": {"true"}, "why": {"haidang simulate"}}
		if err := city.Ask(ctx, terminal.Question{Method: "POST", Path: "/import", Query: q, Content: &b, Size: int64(b.Len()), Within: terminal.FileTime}, &r); err != nil {
			return err
		}
		for _, row := range r.Results {
			if len(row.Errors) != 1 || row.Errors[0].Code != string(devices.ReasonAlreadyThere) {
				return rowProblem(row)
			}
			before++
		}
		done += len(part)
		p.Say("%s of %s devices registered", terminal.Grouped(int64(done)), terminal.Grouped(int64(len(only))))
	}
	fmt.Fprintf(stderr, "%s simulated devices are registered with %s", terminal.Grouped(int64(done)), terminal.Redact(city.URL))
	if before > 0 {
		fmt.Fprintf(stderr, ", %s of them since before", terminal.Grouped(int64(before)))
	}
	fmt.Fprintln(stderr, ".")
	return nil
}

// registration is a device's row. A site around a named place is of the place's use,
// so that limits of that use hold there.
func registration(d *simulator.Device, uses map[telemetry.Site][]string) []string {
	lat, lon := d.Position()
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	return []string{string(d.ID), string(d.Kind.Kind), "yes", "haidang simulate", string(d.Site()), d.SiteName(), string(d.Locality), d.Place().Ward,
		number(lat), number(lon), strings.Join(append([]string{"simulated"}, uses[d.Place().Site]...), ", "), simulatedSince, number(d.Every.Seconds())}
}

func rowProblem(row api.RowResult) error {
	if len(row.Errors) == 0 {
		return fmt.Errorf("device %s: %s", row.Device, row.Status)
	}
	e := row.Errors[0]
	return fmt.Errorf("device %s at site %s: %s: %s", row.Device, row.Site, e.Column, e.EN)
}

// secrets reads the file, has the city issue what is not in it, and keeps that.
func (f *cityFlags) secrets(ctx context.Context, wanted []telemetry.Device, city terminal.CityFlags, stderr io.Writer) (_ map[telemetry.Device]string, err error) {
	kept, err := readSecrets(f.Credentials)
	if err != nil {
		return nil, err
	}
	missing := slices.DeleteFunc(slices.Clone(wanted), func(d telemetry.Device) bool { return kept[d] != "" })
	if len(missing) > 0 {
		// Also what was issued before something went wrong: it is shown only once.
		err = errors.Join(issueSecrets(ctx, missing, kept, city, stderr), writeSecrets(f.Credentials, kept))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(stderr, "%s secrets were issued and are kept in %s.\n", terminal.Grouped(int64(len(missing))), f.Credentials)
	}
	secrets := make(map[telemetry.Device]string, len(wanted))
	for _, d := range wanted {
		secrets[d] = kept[d]
	}
	return secrets, nil
}

// issueSecrets adds the devices' new secrets to those that are kept.
func issueSecrets(ctx context.Context, missing []telemetry.Device, kept map[telemetry.Device]string, city terminal.CityFlags, stderr io.Writer) error {
	p := terminal.NewProgress(stderr)
	defer p.End()
	var mu sync.Mutex
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(issuedAtOnce)
	for _, d := range missing {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			q := terminal.PostTo(terminal.DevicePath(string(d))+"/credentials", map[string]int{})
			q.About = string(d)
			var i access.IssuedAnswer
			if err := city.Ask(ctx, q, &i); err != nil {
				return fmt.Errorf("issue a secret for %s: %w", d, err)
			}
			mu.Lock()
			kept[d] = i.Secret
			mu.Unlock()
			p.Say("%s of %s secrets issued", terminal.Grouped(done.Add(1)), terminal.Grouped(int64(len(missing))))
			return nil
		})
	}
	return g.Wait()
}

// secretsFile is what keeps devices' secrets between runs.
type secretsFile struct {
	// Devices are secrets by device.
	Devices map[telemetry.Device]string `json:"devices"`
}

// readSecrets reads the file; none is kept where there is no file.
func readSecrets(name string) (map[telemetry.Device]string, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return map[telemetry.Device]string{}, nil
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("--credentials %s can be read by others (%v): chmod 600 it, or issue new secrets into another file", name, info.Mode().Perm())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read --credentials: %w", err)
	}
	var f secretsFile
	if err := json.Unmarshal(text, &f); err != nil || f.Devices == nil {
		return nil, fmt.Errorf("--credentials %s holds no devices' secrets: name a file that haidang simulate has made, or one that does not exist yet", name)
	}
	return f.Devices, nil
}

// writeSecrets replaces the file as a whole.
func writeSecrets(name string, secrets map[telemetry.Device]string) error {
	err := terminal.WriteFile(name, 0o600, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(secretsFile{maps.Clone(secrets)})
	})
	if err != nil {
		return fmt.Errorf("--credentials: %w", err)
	}
	return nil
}
