package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const wardsDescription = `The law adds and ends wards. Each row says what it says of one: a new ward needs name and valid_from; valid_to ends one, and its
successors take its place in its locality from that day. What a row leaves out stays as it is. All rows are applied, or none. A site in a
ward that ends keeps the code; the answer lists such sites, for somebody to move them with PUT /sites/{id}.`

// WardListed is a ward as it is listed.
type WardListed struct {
	Ward
	InForce    bool             `json:"in_force"`
	Localities []WardMembership `json:"localities" doc:"Which have it, had it or will have it; most wards are in none"`
	Sites      int              `json:"sites" doc:"How many sites in use name it"`
}

// WardMembership is a locality that has a ward for a time.
type WardMembership struct {
	Locality telemetry.Locality `json:"locality"`
	From     *time.Time         `json:"from,omitempty"`
	To       *time.Time         `json:"to,omitempty"`
}

// WardList are wards by code.
type WardList struct {
	Wards []WardListed `json:"wards"`
}

type wardQuery struct {
	Q        string             `query:"q" maxLength:"200" doc:"Words in code, name, or the names of what it was made of; diacritics need not be typed"`
	Locality telemetry.Locality `query:"locality" maxLength:"64" doc:"Those that it has now; none: those that no locality has"`
	State    string             `query:"state" enum:"in_force,ended,coming,all" default:"all"`
}

func (a *API) wards(ctx context.Context, q *wardQuery) (*out[WardList], error) {
	wards, err := a.Registry.Wards(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	localities, err := a.Registry.Localities(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	sites := map[string]int{}
	if err := a.eachSite(ctx, devices.SiteFilter{}, func(s devices.Site) bool {
		if s.State != devices.Retired {
			sites[s.Ward]++
		}
		return true
	}); err != nil {
		return nil, a.fail(ctx, err)
	}
	now := a.Now()
	body := WardList{Wards: []WardListed{}}
	for _, w := range wards {
		v := WardListed{Ward: wardOf(w), InForce: w.InForce(now), Sites: sites[w.Code], Localities: []WardMembership{}}
		var here telemetry.Locality
		for _, l := range localities {
			for _, m := range l.Wards {
				if m.Ward != w.Code {
					continue
				}
				v.Localities = append(v.Localities, WardMembership{l.ID, moment(m.From), moment(m.To)})
				if !now.Before(m.From) && (m.To.IsZero() || now.Before(m.To)) {
					here = l.ID
				}
			}
		}
		if q.selects(w, here, now) {
			body.Wards = append(body.Wards, v)
		}
	}
	return &out[WardList]{body}, nil
}

// selects reports whether a ward that a locality has now is asked for.
func (q *wardQuery) selects(w devices.Ward, here telemetry.Locality, now time.Time) bool {
	state := "in_force"
	switch {
	case w.InForce(now):
	case now.Before(w.ValidFrom):
		state = "coming"
	default:
		state = "ended"
	}
	if q.State != "" && q.State != "all" && q.State != state || q.Locality == devices.OutOfLocality && here != "" ||
		q.Locality != "" && q.Locality != devices.OutOfLocality && q.Locality != here {
		return false
	}
	text := devices.SearchKey(strings.Join(append([]string{w.Code, w.NameVI, w.NameEN}, w.Former...), " "))
	return !slices.ContainsFunc(strings.Fields(devices.SearchKey(q.Q)), func(word string) bool { return !strings.Contains(text, word) })
}

// WardRow is what is said of a ward.
type WardRow struct {
	Code         string             `json:"code" doc:"Official code of 5 digits" example:"22366"`
	NameVI       string             `json:"name_vi,omitempty" maxLength:"200" doc:"With what it is called in law: Phường Nha Trang"`
	NameEN       string             `json:"name_en,omitempty" maxLength:"200"`
	Form         devices.WardForm   `json:"form,omitempty" doc:"phuong, xa or dac_khu; made of the name if left out"`
	Former       []string           `json:"former,omitempty" doc:"The units it was made of"`
	Box          *Box               `json:"box,omitempty" doc:"Bounds it, to suggest it for a position"`
	AreaKM2      float64            `json:"area_km2,omitempty" minimum:"0" maximum:"100000"`
	ValidFrom    *time.Time         `json:"valid_from,omitempty"`
	ValidTo      *time.Time         `json:"valid_to,omitempty" doc:"The first moment at which it is there no more"`
	Successors   []string           `json:"successors,omitempty" doc:"Codes of what it becomes"`
	Locality     telemetry.Locality `json:"locality,omitempty" doc:"The one to have it; none takes it out of the one that has it"`
	LocalityFrom *time.Time         `json:"locality_from,omitempty" doc:"Since when; the ward's beginning for one that is in none, needed to move one"`
}

// WardImport are rows to apply.
type WardImport struct {
	Wards  []WardRow `json:"wards" minItems:"1" maxItems:"2000"`
	DryRun bool      `json:"dry_run,omitempty" doc:"Say what would become of them, change nothing"`
	Why    string    `json:"why,omitempty" maxLength:"4000" doc:"Such as the resolution; kept in the journal of changes"`
}

// WardImported is what became of the rows.
type WardImported struct {
	DryRun bool         `json:"dry_run,omitempty"`
	Wards  []WardResult `json:"wards"`
}

// WardResult is what became of a row.
type WardResult struct {
	Ward
	Outcome devices.WardOutcome `json:"outcome" enum:"added,updated,ended,unchanged"`
	ToMove  []SiteToMove        `json:"to_move,omitempty" doc:"Sites in use that name the ward though it ends"`
}

// SiteToMove is a site whose ward ends.
type SiteToMove struct {
	Site     telemetry.Site     `json:"site"`
	Name     string             `json:"name"`
	Locality telemetry.Locality `json:"locality"`
}

func (a *API) importWards(ctx context.Context, in *struct{ Body WardImport }) (*out[WardImported], error) {
	rows := make([]devices.WardRow, 0, len(in.Body.Wards))
	for _, r := range in.Body.Wards {
		row := devices.WardRow{Code: r.Code, NameVI: r.NameVI, NameEN: r.NameEN, Form: r.Form, Former: r.Former, AreaKM2: r.AreaKM2,
			ValidFrom: orZero(r.ValidFrom), ValidTo: orZero(r.ValidTo), Successors: r.Successors, Locality: r.Locality, LocalityFrom: orZero(r.LocalityFrom)}
		if r.Box != nil {
			row.Box = devices.Box(*r.Box)
		}
		rows = append(rows, row)
	}
	done, err := a.Registry.ImportWards(ctx, a.by(ctx, in.Body.Why), rows, in.Body.DryRun)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body := WardImported{DryRun: in.Body.DryRun, Wards: make([]WardResult, 0, len(done))}
	for _, d := range done {
		v := WardResult{Ward: wardOf(d.Ward), Outcome: d.Outcome}
		for _, s := range d.ToMove {
			v.ToMove = append(v.ToMove, SiteToMove{s.ID, s.Name, s.Locality})
		}
		body.Wards = append(body.Wards, v)
	}
	return &out[WardImported]{body}, nil
}
