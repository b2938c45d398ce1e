package api

import (
	"context"
	"strconv"
	"strings"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxFeatures is how many sites one map gets.
const maxFeatures = 20000

// SiteFilter are the filters of sites. (What is embedded in an input must be
// exported: huma looks at nothing else.)
type SiteFilter struct {
	Locality telemetry.Locality `query:"locality" maxLength:"64"`
	Ward     string             `query:"ward" maxLength:"16"`
	Kind     telemetry.Kind     `query:"kind" maxLength:"64" doc:"What is measured there now"`
	State    devices.State      `query:"state" enum:"planned,active,retired"`
	Tag      string             `query:"tag" maxLength:"64"`
	Q        string             `query:"q" maxLength:"200" doc:"Words in id, name or notes, with or without diacritics: nha trang finds Nha Trang"`
	BBox     string             `query:"bbox" maxLength:"100" doc:"west,south,east,north in degrees" example:"109.1,12.1,109.4,12.4"`
}

type siteQuery struct {
	SiteFilter
	PageQuery
}

// PageQuery says which part of a list.
type PageQuery struct {
	Cursor string `query:"cursor" maxLength:"100" doc:"The next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}

// filter is the query as devices knows it.
func (q SiteFilter) filter() (devices.SiteFilter, error) {
	f := devices.SiteFilter{Locality: q.Locality, Ward: q.Ward, State: q.State, Tag: q.Tag, Kind: q.Kind, Query: q.Q}
	var err error
	f.Box, err = parseBox(q.BBox)
	return f, err
}

// parseBox reads west,south,east,north; nil for nothing.
func parseBox(s string) (*devices.Box, error) {
	if s == "" {
		return nil, nil
	}
	var v [4]float64
	parts := strings.Split(s, ",")
	ok := len(parts) == len(v)
	for i := 0; ok && i < len(v); i++ {
		var err error
		v[i], err = strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
		ok = err == nil && v[i] >= -360 && v[i] <= 360
	}
	if !ok || v[0] > v[2] || v[1] > v[3] {
		return nil, invalidField("bbox", "bad_value", "Khung phải là tây,nam,đông,bắc theo độ.", "The box must be west,south,east,north in degrees.")
	}
	return &devices.Box{West: v[0], South: v[1], East: v[2], North: v[3]}, nil
}

func (a *API) sites(ctx context.Context, q *siteQuery) (*out[SitePage], error) {
	f, err := q.filter()
	if err != nil {
		return nil, err
	}
	f.After, f.Limit = q.Cursor, q.Limit
	found, total, err := a.Registry.Sites(ctx, f)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body := SitePage{Sites: make([]Site, 0, len(found)), Total: total}
	for _, s := range found {
		v := siteOf(s)
		a.board.furnish(&v)
		body.Sites = append(body.Sites, v)
	}
	if len(found) == q.Limit {
		body.Next = string(found[len(found)-1].ID)
	}
	return &out[SitePage]{body}, nil
}

// eachSite calls f for all sites of a filter, in order of their ids, until it
// returns false.
func (a *API) eachSite(ctx context.Context, filter devices.SiteFilter, f func(devices.Site) bool) error {
	filter.Limit = devices.MaxPage
	for {
		page, _, err := a.Registry.Sites(ctx, filter)
		if err != nil {
			return err
		}
		for _, s := range page {
			if !f(s) {
				return nil
			}
		}
		if len(page) < devices.MaxPage {
			return nil
		}
		filter.After = string(page[len(page)-1].ID)
	}
}

// features answers in GeoJSON's own type.
type features struct {
	ContentType string `header:"Content-Type"`
	Body        FeatureCollection
}

func (a *API) geojson(ctx context.Context, q *SiteFilter) (*features, error) {
	f, err := q.filter()
	if err != nil {
		return nil, err
	}
	body := FeatureCollection{Type: "FeatureCollection", Features: []Feature{}}
	err = a.eachSite(ctx, f, func(s devices.Site) bool {
		if !s.Position.Known() {
			return true
		}
		if len(body.Features) == maxFeatures {
			body.Truncated = true
			return false
		}
		body.Features = append(body.Features, a.feature(s))
		return true
	})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &features{"application/geo+json", body}, nil
}

func (a *API) feature(s devices.Site) Feature {
	v := siteOf(s)
	a.board.furnish(&v)
	m := Marker{Name: s.Name, Locality: s.Locality, Ward: s.Ward, State: s.State, Kinds: v.Kinds, Presence: v.Presence, Version: s.Version}
	for _, d := range v.Devices {
		m.Devices = append(m.Devices, d.Device)
	}
	return Feature{Type: "Feature", ID: string(s.ID), Geometry: Geometry{"Point", []float64{s.Position.Lon, s.Position.Lat}}, Properties: m}
}

// SiteWrite is what people say of a site, and why.
type SiteWrite struct {
	SiteInput
	Why string `json:"why,omitempty" doc:"In the person's own words; in the journal"`
}

type siteBody struct{ Body SiteWrite }

func (a *API) createSite(ctx context.Context, in *siteBody) (*tagged[Site], error) {
	s := siteFrom(in.Body.SiteInput)
	derive := s.ID == ""
	named(&s)
	var made devices.Site
	err := a.Registry.Batch(ctx, a.by(ctx, in.Body.Why), func(b *devices.Batch) (err error) {
		if derive {
			if s.ID, err = b.FreeSiteID(ctx, s.ID); err != nil {
				return err
			}
		}
		made, err = b.CreateSite(ctx, s)
		return err
	})
	return a.siteAnswer(ctx, made, err)
}

// named gives a site without an id one that is made of its name.
func named(s *devices.Site) {
	if s.ID == "" {
		s.ID = telemetry.Site(devices.Slug(s.Name))
	}
}

func (a *API) siteAnswer(ctx context.Context, s devices.Site, err error) (*tagged[Site], error) {
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	v := siteOf(s)
	a.board.furnish(&v)
	return &tagged[Site]{s.ETag(), v}, nil
}

// SitePath names a site.
type SitePath struct {
	ID telemetry.Site `path:"id" maxLength:"64"`
}

func (a *API) site(ctx context.Context, in *SitePath) (*tagged[Site], error) {
	s, err := a.Registry.Site(ctx, in.ID)
	return a.siteAnswer(ctx, s, err)
}

type siteUpdate struct {
	SitePath
	IfMatch string `header:"If-Match" doc:"The ETag of the site that was seen; 428 without it, 412 if it was changed meanwhile"`
	Body    SiteWrite
}

func (a *API) updateSite(ctx context.Context, in *siteUpdate) (*tagged[Site], error) {
	s := siteFrom(in.Body.SiteInput)
	if s.ID != "" && s.ID != in.ID {
		return nil, fixedID()
	}
	s.ID, s.Version = in.ID, devices.ParseETag(in.IfMatch)
	made, err := a.Registry.UpdateSite(ctx, a.by(ctx, in.Body.Why), s)
	return a.siteAnswer(ctx, made, err)
}

// fixedID is the answer to a body that names another entity than the path.
func fixedID() *Problem {
	return invalidField("id", "bad_value", "Mã không đổi được.", "The id cannot be changed.")
}

type siteAct struct {
	SitePath
	Body Act
}

func (a *API) retireSite(ctx context.Context, in *siteAct) (*tagged[Site], error) {
	s, err := a.Registry.RetireSite(ctx, a.by(ctx, in.Body.Why), in.ID, orZero(in.Body.At))
	return a.siteAnswer(ctx, s, err)
}

func (a *API) reopenSite(ctx context.Context, in *siteAct) (*tagged[Site], error) {
	s, err := a.Registry.ReopenSite(ctx, a.by(ctx, in.Body.Why), in.ID)
	return a.siteAnswer(ctx, s, err)
}

func (a *API) siteInstallations(ctx context.Context, in *SitePath) (*out[Installations], error) {
	if _, err := a.Registry.Site(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	return a.installations(ctx, devices.InstallationFilter{Site: in.ID})
}

func (a *API) installations(ctx context.Context, f devices.InstallationFilter) (*out[Installations], error) {
	all, err := a.Registry.Installations(ctx, f)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body := Installations{Installations: make([]Installation, 0, len(all))}
	for _, i := range all {
		body.Installations = append(body.Installations, installationOf(i))
	}
	return &out[Installations]{body}, nil
}

type siteHistory struct {
	SitePath
	PageQuery
}

func (a *API) siteChanges(ctx context.Context, in *siteHistory) (*out[ChangePage], error) {
	if _, err := a.Registry.Site(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	return a.history(ctx, devices.ChangeFilter{Site: in.ID}, in.PageQuery)
}

type changeQuery struct {
	Entity devices.Entity `query:"entity" maxLength:"32"`
	ID     string         `query:"id" maxLength:"64"`
	Who    string         `query:"who" maxLength:"200"`
	PageQuery
}

func (a *API) changes(ctx context.Context, in *changeQuery) (*out[ChangePage], error) {
	return a.history(ctx, devices.ChangeFilter{Entity: in.Entity, ID: in.ID, Who: in.Who}, in.PageQuery)
}

// history is a page of the journal.
func (a *API) history(ctx context.Context, f devices.ChangeFilter, p PageQuery) (*out[ChangePage], error) {
	if p.Cursor != "" {
		before, err := strconv.ParseInt(p.Cursor, 10, 64)
		if err != nil || before < 1 {
			return nil, badCursor()
		}
		f.Before = before
	}
	f.Limit = p.Limit
	found, err := a.Registry.History(ctx, f)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body := ChangePage{Changes: make([]Change, 0, len(found))}
	for _, c := range found {
		body.Changes = append(body.Changes, changeOf(c))
	}
	if len(found) == p.Limit {
		body.Next = strconv.FormatInt(found[len(found)-1].Seq, 10)
	}
	return &out[ChangePage]{body}, nil
}

func badCursor() *Problem {
	return invalidField("cursor", "bad_value", "Con trỏ trang không hợp lệ.", "The cursor is none that a page gave.")
}
