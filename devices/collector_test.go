package devices

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestPresenceCollector(t *testing.T) {
	c := NewPresenceCollector(func() Silences {
		return Silences{
			Devices:   []DeviceSilence{{Locality: "nha-trang", State: Silent, Online: true}, {Locality: "nha-trang", State: Fresh}, {Locality: "nha-trang", State: Fresh}},
			Incidents: []Incident{{Gateway: "lora-1", Devices: []telemetry.Device{"a", "b", "c"}}},
		}
	})
	want := `
# HELP haidang_devices Devices that stand somewhere, by locality and presence: fresh, waiting, late, silent or muted.
# TYPE haidang_devices gauge
haidang_devices{locality="nha-trang",presence="fresh"} 2
haidang_devices{locality="nha-trang",presence="late"} 0
haidang_devices{locality="nha-trang",presence="muted"} 0
haidang_devices{locality="nha-trang",presence="silent"} 1
haidang_devices{locality="nha-trang",presence="waiting"} 0
# HELP haidang_devices_online_without_readings Devices that are in contact and send no readings in time: their presence is waiting, late or silent.
# TYPE haidang_devices_online_without_readings gauge
haidang_devices_online_without_readings{locality="nha-trang"} 1
# HELP haidang_silence_incident_devices Silent devices behind a gateway of which so many are silent that it is one incident; absent where there is none.
# TYPE haidang_silence_incident_devices gauge
haidang_silence_incident_devices{gateway="lora-1"} 3
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
