package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

type silenceQuery struct {
	Locality telemetry.Locality `query:"locality" maxLength:"64"`
	State    []devices.Presence `query:"state" maxItems:"5" enum:"muted,fresh,waiting,late,silent" doc:"Several, separated by commas"`
	Gateway  string             `query:"gateway" maxLength:"200"`
	PageQuery
}

// states is how all devices stand, or a problem where nobody judges.
func (a *API) states() (devices.Silences, error) {
	if a.Presences == nil {
		return devices.Silences{}, unavailable("Tiến trình này không theo dõi tình trạng thiết bị.", "This process does not listen to devices.")
	}
	s, _ := a.board.silences()
	return s, nil
}

func (a *API) silence(_ context.Context, q *silenceQuery) (*out[SilencePage], error) {
	s, err := a.states()
	if err != nil {
		return nil, err
	}
	offset := 0
	if q.Cursor != "" {
		if offset, err = strconv.Atoi(q.Cursor); err != nil || offset < 0 {
			return nil, badCursor()
		}
	}
	body := SilencePage{At: s.At, Counts: countsOf(s.Counts), Localities: map[telemetry.Locality]PresenceCounts{}, Devices: []DeviceSilence{}}
	byLocality := map[telemetry.Locality]map[devices.Presence]int{}
	n := 0
	for _, d := range s.Devices {
		if byLocality[d.Locality] == nil {
			byLocality[d.Locality] = map[devices.Presence]int{}
		}
		byLocality[d.Locality][d.State]++
		if q.Locality != "" && d.Locality != q.Locality || q.Gateway != "" && d.Gateway != q.Gateway || len(q.State) > 0 && !slices.Contains(q.State, d.State) {
			continue
		}
		n++
		if n > offset && len(body.Devices) < q.Limit {
			body.Devices = append(body.Devices, silenceOf(d))
		}
	}
	for l, counts := range byLocality {
		body.Localities[l] = countsOf(counts)
	}
	if offset+len(body.Devices) < n {
		body.Next = strconv.Itoa(offset + len(body.Devices))
	}
	return &out[SilencePage]{body}, nil
}

func countsOf(c map[devices.Presence]int) PresenceCounts {
	return PresenceCounts{Muted: c[devices.Muted], Fresh: c[devices.Fresh], Waiting: c[devices.Waiting], Late: c[devices.Late], Silent: c[devices.Silent]}
}

func (a *API) incidents(context.Context, *struct{}) (*out[Incidents], error) {
	s, err := a.states()
	if err != nil {
		return nil, err
	}
	body := Incidents{At: s.At, Incidents: []Incident{}}
	for _, i := range s.Incidents {
		body.Incidents = append(body.Incidents, Incident{Gateway: i.Gateway, Since: moment(i.Since), Devices: i.Devices, Expected: i.Expected})
	}
	return &out[Incidents]{body}, nil
}
