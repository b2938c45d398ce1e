package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// Readings sent with mosquitto_pub come back over each store's own languages,
// through the broker inside and through Mosquitto.
func TestRealInput(t *testing.T) {
	long(t)
	t.Parallel()
	for _, outside := range []bool{false, true} {
		through := map[bool]string{false: "embedded broker", true: "Mosquitto"}[outside]
		t.Run(through+" to embedded store", func(t *testing.T) {
			up := sendReal(t, outside)
			received(t, "PromQL", embedded(up))
		})
		t.Run(through+" to InfluxDB", func(t *testing.T) {
			db := realserver.InfluxDB(t)
			sendReal(t, outside, "--store", "influx", "--influx-url", db.URL, "--influx-bucket", realserver.Database)
			received(t, "InfluxQL", influxQL(db))
			received(t, "Flux", flux(db))
		})
		t.Run(through+" to VictoriaMetrics", func(t *testing.T) {
			db := realserver.VictoriaMetrics(t)
			sendReal(t, outside, "--store", "influx", "--influx-url", db.URL, "--influx-bucket", "city")
			received(t, "VictoriaMetrics", victoria(db))
		})
	}
}

// sendReal starts a city and sends it two readings.
func sendReal(t *testing.T, outside bool, more ...string) *process {
	t.Helper()
	broker := address(freePort(t))
	arguments := append([]string{"--data", t.TempDir(), "--mqtt", broker}, more...)
	if outside {
		broker = realserver.Mosquitto(t, realserver.MosquittoOptions{}).Address
		arguments = append(arguments, "--broker", "tcp://"+broker)
	}
	up := haidang(t, "up", arguments...)
	up.ready()
	at := time.Now().Add(-time.Hour).Format(time.RFC3339)
	mosquittoPub(t, broker, "kh/nha-trang/air_quality/my-sensor", `{"pm25":12.4,"pm10":30.1,"bat":3.7}`)
	mosquittoPub(t, broker, "kh/nha-trang/air_quality/my-sensor", fmt.Sprintf(`{"ts":%q,"pm25":0.125}`, at))
	return up
}

// received waits until both readings come back, with all of their tags.
func received(t *testing.T, language string, read reader) {
	t.Helper()
	eventually(t, patience, "both readings come back over "+language, func() bool {
		values := map[float64]bool{}
		for _, v := range read(t, "air_quality", "pm25")["my-sensor"] {
			values[v[0]] = len(v) == 1
		}
		return len(values) == 2 && values[12.4] && values[0.125]
	})
	for metric, want := range map[string]float64{"pm10": 30.1, "bat": 3.7} {
		if got := read(t, "air_quality", metric)["my-sensor"]; len(got) != 1 {
			t.Errorf("%s over %s: %v, want one %v", metric, language, got, want)
		}
	}
}

// mosquittoPub publishes with Debian's mosquitto_pub, and has its PUBACK.
func mosquittoPub(t *testing.T, broker, topic, payload string) {
	t.Helper()
	path, err := exec.LookPath("mosquitto_pub")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("mosquitto_pub is not installed and CI=true allows no skip: apt-get install mosquitto-clients")
	}
	if err != nil {
		t.Skip("mosquitto_pub is not installed: apt-get install mosquitto-clients")
	}
	host, port, err := net.SplitHostPort(broker)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, "-h", host, "-p", port, "-q", "1", "-t", topic, "-m", payload).CombinedOutput()
	if err != nil {
		t.Fatalf("mosquitto_pub: %v: %s", err, out)
	}
}

// influxQL reads with SELECT, and minds the tags.
func influxQL(db *realserver.InfluxServer) reader {
	return func(t *testing.T, kind, metric string) samples {
		t.Helper()
		answer, err := db.InfluxQL(t.Context(), fmt.Sprintf(`SELECT %q FROM %q GROUP BY *`, metric, kind))
		if err != nil {
			t.Fatal(err)
		}
		out := samples{}
		for _, series := range answer.Series {
			checkTags(t, series.Tags)
			for _, row := range series.Values {
				at, err := row[0].(json.Number).Int64()
				if err != nil {
					t.Fatal(err)
				}
				value, err := row[1].(json.Number).Float64()
				if err != nil {
					t.Fatal(err)
				}
				out.add(series.Tags["device"], at, value)
			}
		}
		return out
	}
}

// flux reads with a Flux script.
func flux(db *realserver.InfluxServer) reader {
	return func(t *testing.T, kind, metric string) samples {
		t.Helper()
		rows, err := db.Flux(t.Context(), fmt.Sprintf(`from(bucket: %q) |> range(start: -3h) |> filter(fn: (r) => r._measurement == %q and r._field == %q)`,
			realserver.Database, kind, metric))
		if err != nil {
			t.Fatal(err)
		}
		out := samples{}
		for _, row := range rows {
			checkTags(t, row)
			at, err := time.Parse(time.RFC3339, row["_time"])
			if err != nil {
				t.Fatal(err)
			}
			var value float64
			if _, err := fmt.Sscan(row["_value"], &value); err != nil {
				t.Fatal(err)
			}
			out.add(row["device"], at.UnixMilli(), value)
		}
		return out
	}
}

// victoria reads over VictoriaMetrics' Prometheus API.
func victoria(db *realserver.VictoriaServer) reader {
	return func(t *testing.T, kind, metric string) samples {
		t.Helper()
		if err := db.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return promQL(db.URL)(t, kind, metric)
	}
}

// checkTags sees that a series has the three labels it should, and the site that
// an unregistered device gets.
func checkTags(t *testing.T, tags map[string]string) {
	t.Helper()
	if tags["locality"] == "" || tags["device"] == "" || tags["site"] != tags["device"] {
		t.Errorf("a series has the tags %v", tags)
	}
}
