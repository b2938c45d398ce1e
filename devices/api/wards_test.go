package api_test

import (
	"testing"

	"github.com/haidang-iot/haidang/devices/api"
)

// The list finds wards without diacritics, by state and by locality; an import ends
// one and tells its sites.
func TestWards(t *testing.T) {
	town := newTown(t)
	list := func(query string) (codes []string) {
		for _, w := range into[api.WardList](town.do("GET", "/wards"+query, nil).want(200)).Wards {
			codes = append(codes, w.Code)
		}
		return codes
	}
	if n := len(list("")); n != 65 {
		t.Errorf("there are %d wards", n)
	}
	for query, want := range map[string]string{"?q=dien+tho": "22672", "?q=" + "Di%C3%AAn%20Th%E1%BB%8D": "22672", "?q=dac+khu": "22736", "?q=22759": "22759", "?q=vinh+nguyen": "22366"} {
		if have := list(query); len(have) != 1 || have[0] != want {
			t.Errorf("%s finds %v, want %s", query, have, want)
		}
	}
	if n := len(list("?locality=none")); n != 44 {
		t.Errorf("%d wards are in no locality", n)
	}
	if have := list("?locality=nha-trang"); len(have) != 4 {
		t.Errorf("Nha Trang has %v", have)
	}
	body := map[string]any{"why": "Nghị quyết", "wards": []map[string]any{
		{"code": "22432", "valid_to": "2026-01-01T00:00:00+07:00", "successors": []string{"22420"}}}}
	done := into[api.WardImported](town.do("POST", "/wards/import", body).want(200))
	if len(done.Wards) != 1 || done.Wards[0].Outcome != "ended" || len(done.Wards[0].ToMove) != 2 {
		t.Errorf("the import says %+v", done)
	}
	if have := list("?state=ended"); len(have) != 1 || have[0] != "22432" {
		t.Errorf("ended are %v", have)
	}
	town.do("POST", "/wards/import", map[string]any{"wards": []map[string]any{{"code": "22998", "name_vi": "Xã A"}}}).fault(422, "required", "wards[0].valid_from")
}
