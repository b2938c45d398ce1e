// Package boards is the boards and alert rules from the terminal: publishing,
// rendering and checking them.
package boards

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Dashboards is `haidang dashboards`: a field for each command below it.
type Dashboards struct {
	Push   dashboardsPush   `cmd:"" help:"Put data source, boards, the walls' playlists and alert rules into Grafana."`
	Diff   dashboardsDiff   `cmd:"" help:"Show what was changed in Grafana by hand; exit 1 if a push would overwrite it."`
	Pull   dashboardsPull   `cmd:"" help:"Keep the boards and alert rules that were changed by hand as files."`
	Render dashboardsRender `cmd:"" help:"Write the files that Grafana provisions itself from."`
	Rules  dashboardsRules  `cmd:"" help:"Write alert rules as files for Prometheus, vmalert and Grafana."`
	Check  Check            `cmd:"" help:"Ask a store everything that the boards ask it; exit 1 if a panel would show an error or nothing."`
}

// placesFlags say where the names of sites, localities and wards come from.
type placesFlags struct {
	City      string `name:"url" env:"HAIDANG_URL" help:"A running city, for the names of sites, localities and wards; without it boards show ids." placeholder:"http://127.0.0.1:8080"`
	CityToken string `name:"city-token" env:"HAIDANG_TOKEN" help:"API token for --url; better given in the environment." placeholder:"SECRET"`
	CityCA    string `name:"city-ca" env:"HAIDANG_CA" type:"path" help:"Certificate (PEM) of the authority that vouches for --url." placeholder:"FILE"`
	SitesFile string `type:"path" help:"The same from a file that --sites-out wrote." placeholder:"FILE"`
	SitesOut  string `type:"path" help:"Also write the names to this file, for --sites-file where the city cannot be reached." placeholder:"FILE"`
}

// placesFile is a province's names as --sites-file has them.
type placesFile struct {
	api.Localities
	Sites []api.Site `json:"sites"`
	// Limits are those of single sites, of any time; absent in a file of an older
	// program, and then what a new registry begins with stands for them.
	Limits []api.Limit `json:"limits,omitempty"`
	// NoLimits says that there are none.
	NoLimits bool `json:"no_limits,omitempty"`
}

// province is what boards are made for, today.
func (f placesFlags) province(ctx context.Context) (dashboards.Province, error) {
	p := dashboards.Province{Now: time.Now()}
	p.Alarms = alarmNames(p)
	var known placesFile
	switch {
	case f.City != "" && f.SitesFile != "":
		return p, errors.New("--url and --sites-file both say where names come from: give one of them")
	case f.City != "":
		if err := f.ask(ctx, &known); err != nil {
			return p, err
		}
	case f.SitesFile != "":
		text, err := os.ReadFile(f.SitesFile)
		if err != nil {
			return p, fmt.Errorf("read --sites-file: %w", err)
		}
		if err := json.Unmarshal(text, &known); err != nil {
			return p, fmt.Errorf("read --sites-file %s: %w: let --sites-out write it", f.SitesFile, err)
		}
	default:
		return p, nil
	}
	if f.SitesOut != "" {
		text, err := json.MarshalIndent(known, "", "  ")
		if err != nil {
			return p, fmt.Errorf("write --sites-out: %w", err)
		}
		if err := terminal.WriteFile(f.SitesOut, 0o644, func(w io.Writer) error { _, err := w.Write(append(text, '\n')); return err }); err != nil {
			return p, fmt.Errorf("write --sites-out: %w", err)
		}
	}
	p = known.province(p)
	p.Alarms = alarmNames(p)
	return p, nil
}

// table is the limits of a province of any time; nil, which is those of a new city,
// where no city was asked.
func table(own []limits.Own) []limits.Limit {
	if own == nil {
		return nil
	}
	return limits.Table(own)
}

// alarmNames are what the alert rules of a province are called, whatever sites there
// are of each use.
func alarmNames(p dashboards.Province) map[string]dashboards.Text {
	areas := map[limits.Area][]telemetry.Site{}
	for _, a := range rules.Areas() {
		areas[a] = []telemetry.Site{"any"}
	}
	out := map[string]dashboards.Text{}
	for _, r := range rules.All(rules.Options{At: p.Now, Limits: table(p.Own), Areas: areas}) {
		out[r.ID] = r.Name
	}
	return out
}

// ask reads the names from the city.
func (f placesFlags) ask(ctx context.Context, known *placesFile) error {
	city := terminal.CityFlags{ClientFlags: terminal.ClientFlags{URL: f.City, Token: f.CityToken, CA: f.CityCA}}
	if err := city.Ask(ctx, terminal.GetFrom("/localities", nil), &known.Localities); err != nil {
		return err
	}
	q := url.Values{"limit": {strconv.Itoa(1000)}}
	for {
		var page api.SitePage
		if err := city.Ask(ctx, terminal.GetFrom("/sites", q), &page); err != nil {
			return err
		}
		known.Sites = append(known.Sites, page.Sites...)
		if page.Next == "" {
			break
		}
		q.Set("cursor", page.Next)
	}
	var err error
	known.Limits, err = OwnLimits(ctx, city)
	known.NoLimits = len(known.Limits) == 0
	return err
}

// OwnLimits are the limits of the city's sites, those that are over or were taken
// away too.
func OwnLimits(ctx context.Context, city terminal.CityFlags) (out []api.Limit, err error) {
	q := url.Values{"limit": {"1000"}, "removed": {"true"}}
	for {
		var page api.LimitPage
		if err := city.Ask(ctx, terminal.GetFrom("/limits", q), &page); err != nil {
			return nil, err
		}
		out = append(out, page.Limits...)
		if page.Next == "" {
			return out, nil
		}
		q.Set("cursor", page.Next)
	}
}

// own are the limits that stand, with the names of their sites, and, as gone, those
// that were taken away.
func (k placesFile) own() (standing, gone []limits.Own) {
	names := map[telemetry.Site]api.Site{}
	for _, s := range k.Sites {
		names[s.ID] = s
	}
	for _, l := range k.Limits {
		o, s := l.Own(), names[l.Site]
		o.PlaceVI, o.PlaceEN = s.Name, cmp.Or(s.NameEN, s.Name)
		if l.Removed != nil || s.State == devices.Retired {
			gone = append(gone, o)
		} else {
			standing = append(standing, o)
		}
	}
	if standing == nil && (k.NoLimits || len(k.Limits) > 0) {
		standing = []limits.Own{}
	}
	return standing, gone
}

// province puts the names into the boards' words.
func (k placesFile) province(p dashboards.Province) dashboards.Province {
	ward := func(w api.Ward) {
		p.Wards = append(p.Wards, devices.Ward{Code: w.Code, NameVI: w.NameVI, NameEN: w.NameEN, Form: w.Form})
	}
	for _, l := range k.Localities.Localities {
		p.Localities = append(p.Localities, devices.Locality{ID: l.ID, NameVI: l.NameVI, NameEN: l.NameEN})
		for _, w := range l.Wards {
			ward(w)
		}
	}
	for _, w := range k.OtherWards {
		ward(w)
	}
	p.Own, p.GoneLimits = k.own()
	for _, s := range k.Sites {
		for _, tag := range s.Tags { // as files of before have it
			if area, ok := devices.NoiseAreaOf(tag); ok {
				s.NoiseArea = cmp.Or(s.NoiseArea, area)
			}
		}
		kinds := s.Kinds
		for _, d := range s.Devices {
			kinds = append(kinds, d.Kinds...)
		}
		p.Sites = append(p.Sites, dashboards.Site{Kinds: kinds, Cadences: cadencesAt(s), Site: devices.Site{ID: s.ID, Name: cmp.Or(s.Name, string(s.ID)), NameEN: s.NameEN, Locality: s.Locality, Ward: s.Ward,
			Position: devices.Position{Lat: s.Position.Lat, Lon: s.Position.Lon}, Tags: s.Tags, NoiseArea: s.NoiseArea, State: s.State}})
	}
	return p
}

// cadencesAt are the cadences, set or learned, of a site's devices.
func cadencesAt(s api.Site) (out []dashboards.Cadence) {
	for _, d := range s.Devices {
		for _, c := range d.Cadences {
			if every := time.Duration(c.Seconds * float64(time.Second)); every > 0 && !c.Usual {
				out = append(out, dashboards.Cadence{Device: d.Device, Kind: c.Kind, Every: every})
			}
		}
	}
	return out
}

// boardModels are the boards' models by uid, those of the wall among them, and the
// uids that a wall shows in turn.
func boardModels(p dashboards.Province, lang, query, source string) (models []boardModel, wall []string, err error) {
	o := dashboards.Options{Lang: dashboards.Lang(lang), DataSource: source,
		Dialect: dashboards.Dialect{Language: dashboards.Language(query), Catalogue: telemetry.NewCatalogue()}}
	boards := dashboards.Boards(p)
	for _, b := range boards {
		for _, o.Wall = range []bool{false, true} {
			if o.Wall && len(b.Wall) == 0 {
				continue
			}
			text, err := b.Render(p, o)
			if err != nil {
				return nil, nil, err
			}
			models = append(models, boardModel{b.UID(o), text})
		}
	}
	return models, dashboards.WallOrder(boards, o), nil
}

// boardModel is a board's model and its uid.
type boardModel struct {
	uid  string
	text []byte
}
