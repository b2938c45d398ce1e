package rules_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/deploy/realserver"
)

// A real InfluxDB answers the question of every rule, and leaves out what an
// instrument flagged: Đồng Trăng is at 9.7 m, and its 60 m was an error.
func TestInfluxQL(t *testing.T) {
	server := realserver.InfluxDB(t)
	now := time.Now().Truncate(time.Minute)
	var lines strings.Builder
	for m := 60; m >= 5; m -= 5 {
		at := now.Add(-time.Duration(m) * time.Minute).UnixNano()
		value, flag := 9.7, ""
		if m == 5 || m == 60 {
			value, flag = 60, ",quality=2"
		}
		fmt.Fprintf(&lines, "water_level,locality=nha-trang,site=dong-trang,device=wl-1 level=%v%s %d\n", value, flag, at)
		fmt.Fprintf(&lines, "noise,locality=nha-trang,site=cho-dam,device=n-1 laeq=%d %d\n", 60+10*(m/5%2), at)
		fmt.Fprintf(&lines, "site_state,locality=nha-trang,site=cho-dam,device=haidang devices=4,silent=1 %d\n", at)
	}
	write(t, server, lines.String())
	got := map[string]string{}
	for _, group := range grafana(dashboards.InfluxQL).Groups(all()) {
		for _, r := range group.Rules {
			query := at(r.Data[0].Model["query"].(string), r.Data[0].TimeRange.From, now)
			answer, err := server.InfluxQL(t.Context(), query)
			if err != nil {
				t.Errorf("%s: %v\n%s", r.UID, err, query)
				continue
			}
			for _, s := range answer.Series {
				got[strings.TrimPrefix(r.UID, "hd-")] = fmt.Sprint(s.Tags["site"], " ", s.Values[len(s.Values)-1][1])
			}
		}
	}
	for id, want := range map[string]string{"flood-bd1-dong-trang": "dong-trang 9.7", "flood-rise": "dong-trang 0", "device-silent": "cho-dam 1", "site-silent": "cho-dam 0.25",
		"noise-ordinary-day-5m": "cho-dam 67.7"} { // the mean of the energy of 60 and 70 dB
		if !strings.HasPrefix(got[id], want) {
			t.Errorf("%s is %q, want %q", id, got[id], want)
		}
	}
	if ids := slices.Sorted(maps.Keys(got)); len(ids) != 9 { // the three levels, the record, the rise, noise by day and at night, and two of silence
		t.Errorf("answers for %v", ids)
	}
}

// at is a query of Grafana's as it asks it at a moment, back to some seconds before.
func at(query string, from int, now time.Time) string {
	filter := fmt.Sprintf("time >= %dms AND time <= %dms", now.Add(-time.Duration(from)*time.Second).UnixMilli(), now.UnixMilli())
	// InfluxDB's now() is the wall clock's; windows are counted from the same moment.
	return strings.ReplaceAll(strings.ReplaceAll(query, "$timeFilter", filter), "now()", fmt.Sprintf("%ds", now.Unix()%86400))
}
