package city

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
)

// sourceFlags say where messages come from.
type sourceFlags struct {
	Config         string `type:"existingfile" help:"YAML file that lists localities, gateways and their subscriptions. Default: Nha Trang, Cam Ranh, Ninh Hòa and Cam Lâm, with --broker a gateway each." placeholder:"FILE"`
	BrokerURL      string `name:"broker" env:"HAIDANG_BROKER" help:"External MQTT broker, tcp://HOST:1883 or ssl://HOST:8883. What it drops before a gateway has taken it is lost: most do by default; docs/brokers.md has the settings." placeholder:"URL"`
	BrokerUser     string `env:"HAIDANG_BROKER_USER" help:"User at the external MQTT broker." placeholder:"NAME"`
	BrokerPassword string `env:"HAIDANG_BROKER_PASSWORD" help:"Its password; better given in the environment." placeholder:"SECRET"`
}

// journalFlags say where the journal is and what it promises.
type journalFlags struct {
	JournalBudget terminal.Size `default:"10GiB" help:"Disk that the journal may take. When it is full nothing is lost: nothing more is acknowledged, and devices and brokers hold the messages." placeholder:"10GiB"`
	DiskReserve   terminal.Size `default:"512MiB" help:"Free disk below which nothing more is accepted." placeholder:"512MiB"`
	Durability    string        `enum:"auto,power,process" default:"auto" help:"What acknowledged messages survive: power, the loss of power (synced to disk first); process, the death of the process; auto, power where syncs take no longer than 2 ms on the disk of --data, measured at each start." placeholder:"auto"`
}

// quarantineFlags bound what waits in quarantine.
type quarantineFlags struct {
	QuarantineBudget       terminal.Size     `default:"1GiB" help:"Disk that the quarantine may take. What is over leaves it, counted as discarded: the oldest of the device that has the most in it." placeholder:"1GiB"`
	QuarantineAge          terminal.Duration `default:"90d" help:"How long a message may wait in quarantine." placeholder:"90d"`
	QuarantineDeviceBudget terminal.Size     `default:"64MiB" help:"Of --quarantine-budget, what one device may take; over it, it loses its own oldest." placeholder:"64MiB"`
	QuarantineDeviceCount  int64             `default:"100000" help:"How many messages of one device may wait in quarantine." placeholder:"100000"`
}

func (f quarantineFlags) bounds() ingest.Bounds {
	return ingest.Bounds{Bytes: int64(f.QuarantineBudget), Age: time.Duration(f.QuarantineAge), DeviceBytes: int64(f.QuarantineDeviceBudget), DeviceCount: f.QuarantineDeviceCount}
}

// storeFlags say where readings go.
type storeFlags struct {
	Store        string            `enum:"embedded,influx" default:"embedded" help:"Time-series store: embedded (Prometheus TSDB in this process) or influx (InfluxDB 1.8, 2, 3 or VictoriaMetrics)." placeholder:"embedded"`
	Retention    terminal.Duration `default:"400d" help:"How long readings are kept; older ones wait in quarantine. With --store influx: what the bucket keeps." placeholder:"400d"`
	InfluxURL    string            `env:"INFLUX_URL" help:"With --store influx: where the server is." placeholder:"http://127.0.0.1:8086"`
	InfluxOrg    string            `env:"INFLUX_ORG" help:"With --store influx: the organisation; empty for InfluxDB 1.8 and VictoriaMetrics." placeholder:"NAME"`
	InfluxBucket string            `env:"INFLUX_BUCKET" help:"With --store influx: the bucket; database or database/policy for InfluxDB 1.8." placeholder:"NAME"`
	InfluxToken  string            `env:"INFLUX_TOKEN" help:"With --store influx: the token, or user:password for InfluxDB 1.8; better given in the environment." placeholder:"SECRET"`
	QueryURL     string            `env:"HAIDANG_QUERY_URL" help:"With --store influx: where readings are asked for, if not at --influx-url, such as http://vmselect:8481/select/0/prometheus." placeholder:"URL"`
	Query        string            `enum:"auto,promql,influxql" default:"auto" help:"With --store influx: the language readings are asked for in: promql (VictoriaMetrics), influxql (InfluxDB), or auto, which asks the server." placeholder:"auto"`
}

func (f storeFlags) check() error {
	if f.Store == "influx" && f.InfluxURL == "" {
		return errors.New("--store influx needs --influx-url, the address of the InfluxDB or VictoriaMetrics server")
	}
	if f.Store != "influx" && f.InfluxURL != "" {
		return errors.New("--influx-url is given, but --store is " + f.Store + ": add --store influx")
	}
	if err := f.checkQuery(); err != nil {
		return err
	}
	if time.Duration(f.Retention) < time.Hour {
		return fmt.Errorf("--retention is %v: give at least 1h", time.Duration(f.Retention))
	}
	return nil
}

// checkQuery checks what concerns reading from an external store.
func (f storeFlags) checkQuery() error {
	if f.Store != "influx" {
		switch {
		case f.QueryURL != "":
			return errors.New("--query-url is given, but --store is " + f.Store + ", which is asked within this process: leave it out, or add --store influx")
		case f.Query != "" && f.Query != "auto":
			return errors.New("--query is " + f.Query + ", but --store is " + f.Store + ", which is asked within this process: leave it out, or add --store influx")
		}
		return nil
	}
	if f.QueryURL == "" {
		return nil
	}
	u, err := url.Parse(f.QueryURL)
	if err != nil || u.User != nil {
		// The text may hold a password.
		return errors.New("--query-url should be like http://127.0.0.1:8428, without a user or password; what --influx-token says is shown there too")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("--query-url is %q: give the address before /query or /api/v1/query, such as http://127.0.0.1:8428", f.QueryURL)
	}
	return nil
}
