package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// A fifth locality is configuration: its wards are data, it has a gateway of its own,
// and what its devices send is stored under its name.
func TestFifthLocality(t *testing.T) {
	long(t)
	t.Parallel()
	file := filepath.Join(t.TempDir(), "city.yaml")
	const text = `localities:
  - {id: nha-trang, name_vi: Nha Trang, name_en: Nha Trang}
  - {id: cam-ranh, name_vi: Cam Ranh, name_en: Cam Ranh}
  - {id: ninh-hoa, name_vi: Ninh Hòa, name_en: Ninh Hoa}
  - {id: cam-lam, name_vi: Cam Lâm, name_en: Cam Lam}
  - {id: phan-rang, name_vi: Phan Rang, name_en: Phan Rang, wards: [22738, 22741, 22759, 22780, 22834]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--config", file)
	for range 2 { // the second start adds nothing
		up.ready()
		answer, err := http.Get(up.url + "/api/v1/localities")
		if err != nil {
			t.Fatal(err)
		}
		var places struct {
			Localities []struct {
				ID    string
				Wards []struct{ Code string }
				Box   struct{ West, North float64 }
			}
			OtherWards []struct{ Code string } `json:"other_wards"`
		}
		err = json.NewDecoder(answer.Body).Decode(&places)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, l := range places.Localities {
			if l.ID == "phan-rang" {
				for _, w := range l.Wards {
					codes = append(codes, w.Code)
				}
				if l.Box.West != 108.8697 || l.Box.North != 11.6823 {
					t.Errorf("its box is %+v", l.Box)
				}
			}
		}
		slices.Sort(codes)
		if !slices.Equal(codes, []string{"22738", "22741", "22759", "22780", "22834"}) || len(places.OtherWards) != 39 {
			t.Errorf("Phan Rang has %v, and %d wards are in no locality", codes, len(places.OtherWards))
		}
		up.stop()
		up.start()
	}
	up.ready()
	if err := send(t, broker, "kh/phan-rang/water_level/tan-my", fmt.Appendf(nil, `{"ts":%d,"level":36.49}`, time.Now().Add(-time.Minute).UnixMilli())); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "a reading of Phan Rang is stored", func() bool { r, ok := ledger(up); return ok && r.total().Stored == 1 })
	audit(t, up)
	up.stop()
}
