package sqlstore

import (
	"strings"

	"github.com/haidang-iot/haidang/devices"
)

func wards() table[devices.Ward] {
	return table[devices.Ward]{"ward", strings.Fields("code name_vi name_en form former west south east north area_km2 valid_from valid_to version successors"),
		func(w *devices.Ward) []any {
			return []any{&w.Code, &w.NameVI, &w.NameEN, textOf(&w.Form), documentOf(&w.Former), &w.Box.West, &w.Box.South, &w.Box.East,
				&w.Box.North, &w.AreaKM2, moment{&w.ValidFrom}, moment{&w.ValidTo}, &w.Version, documentOf(&w.Successors)}
		}}
}

func localities() table[devices.Locality] {
	return table[devices.Locality]{"locality", strings.Fields("id name_vi name_en wards west south east north valid_from valid_to version"),
		func(l *devices.Locality) []any {
			return []any{textOf(&l.ID), &l.NameVI, &l.NameEN, documentOf(&l.Wards), &l.Box.West, &l.Box.South, &l.Box.East, &l.Box.North,
				moment{&l.ValidFrom}, moment{&l.ValidTo}, &l.Version}
		}}
}

func profiles() table[devices.Profile] {
	return table[devices.Profile]{"profile", strings.Fields("id name_vi name_en model codec kinds fields notes version"),
		func(p *devices.Profile) []any {
			return []any{&p.ID, &p.NameVI, &p.NameEN, &p.Model, &p.Codec, wordsOf(&p.Kinds), documentOf(&p.Fields), &p.Notes, &p.Version}
		}}
}

// siteRow is a site with what is derived from it.
type siteRow struct {
	devices.Site
	search string
}

// searchable sets what is searched.
func (s siteRow) searchable() siteRow {
	s.search = devices.SearchKey(strings.Join([]string{string(s.ID), s.Name, s.NameEN, strings.Join(s.Uses(), " "), s.Notes}, " "))
	return s
}

func sites() table[siteRow] {
	return table[siteRow]{"site", strings.Fields("id search name name_en locality ward lat lon accuracy outside_reason mount_height tags noise_area notes " +
		"provisional state version updated"),
		func(s *siteRow) []any {
			p := &s.Position
			return []any{textOf(&s.ID), &s.search, &s.Name, &s.NameEN, textOf(&s.Locality), text[string]{&s.Ward, true}, &p.Lat, &p.Lon, &p.Accuracy,
				&p.OutsideReason, &s.MountHeight, wordsOf(&s.Tags), textOf(&s.NoiseArea), &s.Notes, &s.Provisional, textOf(&s.State),
				&s.Version, moment{&s.Updated}}
		}}
}

// deviceRow is a device with what is derived from it.
type deviceRow struct {
	devices.Device
	search string
}

// searchable sets what is searched.
func (d deviceRow) searchable() deviceRow {
	d.search = devices.SearchKey(strings.Join([]string{string(d.ID), d.Model, d.Profile, d.Serial, d.Gateway, d.Notes}, " "))
	return d
}

func deviceRows() table[deviceRow] {
	return table[deviceRow]{"device", strings.Fields("id kinds model profile serial gateway notes provisional simulated state search version created updated home"),
		func(d *deviceRow) []any {
			return []any{textOf(&d.ID), wordsOf(&d.Kinds), &d.Model, &d.Profile, &d.Serial, &d.Gateway, &d.Notes, &d.Provisional, &d.Simulated,
				textOf(&d.State), &d.search, &d.Version, moment{&d.Created}, moment{&d.Updated}, wordsOf(&d.Home)}
		}}
}

func installations() table[devices.Installation] {
	return table[devices.Installation]{"installation", strings.Fields("id device site begins ends redundant cadence provisional version"),
		func(i *devices.Installation) []any {
			return []any{&i.ID, textOf(&i.Device), textOf(&i.Site), moment{&i.From}, moment{&i.To}, &i.Redundant, span{&i.Cadence}, &i.Provisional, &i.Version}
		}}
}

func photos() table[devices.Photo] {
	return table[devices.Photo]{"photo", strings.Fields("id installation type bytes width height digest at who removed"),
		func(p *devices.Photo) []any {
			return []any{&p.ID, &p.Installation, &p.Type, &p.Size, &p.Width, &p.Height, &p.Digest, moment{&p.At}, &p.Who, moment{&p.Removed}}
		}}
}

// pictureRow is a photo's data, apart from the rows that lists read.
type pictureRow struct {
	photo int64
	data  []byte
}

func pictures() table[pictureRow] {
	return table[pictureRow]{"photo_data", strings.Fields("photo data"), func(p *pictureRow) []any { return []any{&p.photo, &p.data} }}
}

func changes() table[devices.Change] {
	return table[devices.Change]{"change", strings.Fields("seq at entity id action who why request site device before after"),
		func(c *devices.Change) []any {
			return []any{&c.Seq, moment{&c.At}, textOf(&c.Entity), &c.ID, textOf(&c.Action), &c.Who, &c.Why, &c.Request, textOf(&c.Site),
				textOf(&c.Device), raw{&c.Before}, raw{&c.After}}
		}}
}

// requestRow is a request whose answer is text.
type requestRow struct {
	devices.Request
	answer string
}

func requests() table[requestRow] {
	return table[requestRow]{"request", strings.Fields("id digest answer at"),
		func(r *requestRow) []any { return []any{&r.ID, &r.Digest, &r.answer, moment{&r.At}} }}
}

// heardRow is a heard device with what is derived from it.
type heardRow struct {
	devices.Heard
	search string
}

func heards() table[heardRow] {
	return table[heardRow]{"heard", strings.Fields("device locality kind reason provisional first_at last_at earliest count topic gateway sample search"),
		func(h *heardRow) []any {
			return []any{textOf(&h.Device), textOf(&h.Locality), textOf(&h.Kind), textOf(&h.Reason), &h.Provisional, moment{&h.First}, moment{&h.Last},
				moment{&h.Earliest}, &h.Count, &h.Topic, &h.Gateway, &h.Sample, &h.search}
		}}
}
