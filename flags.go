package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// logFlags say what is logged and how.
type logFlags struct {
	LogFormat string `enum:"text,json" default:"text" help:"How log lines are written: text or json." placeholder:"text"`
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"The least level that is logged: debug, info, warn or error." placeholder:"info"`
}

func (f logFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(f.LogLevel)) != nil {
		level = slog.LevelInfo // the parser lets no other word through
	}
	o := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// libraryLogger is for parts that narrate their normal work at level info: of
// them only warnings are of interest, unless one is debugging.
func (f logFlags) libraryLogger(w io.Writer) *slog.Logger {
	if f.LogLevel == "info" {
		f.LogLevel = "warn"
	}
	return f.logger(w)
}

// sourceFlags say where messages come from.
type sourceFlags struct {
	Config         string `type:"existingfile" help:"YAML file that lists localities, gateways and their subscriptions. Default: Nha Trang, Cam Ranh, Ninh Hòa and Cam Lâm, a gateway each." placeholder:"FILE"`
	BrokerURL      string `name:"broker" env:"HAIDANG_BROKER" help:"External MQTT broker, tcp://HOST:1883 or ssl://HOST:8883." placeholder:"URL"`
	BrokerUser     string `env:"HAIDANG_BROKER_USER" help:"User at the external MQTT broker." placeholder:"NAME"`
	BrokerPassword string `env:"HAIDANG_BROKER_PASSWORD" help:"Its password; better given in the environment." placeholder:"SECRET"`
}

// journalFlags say where the journal is and what it promises.
type journalFlags struct {
	JournalBudget size   `default:"10GiB" help:"Disk that the journal may take. When it is full nothing is lost: gateways stop acknowledging and the broker holds the messages." placeholder:"10GiB"`
	DiskReserve   size   `default:"512MiB" help:"Free disk below which nothing more is accepted." placeholder:"512MiB"`
	Durability    string `enum:"process,power" default:"process" help:"What acknowledged messages survive: the death of the process, or the loss of power (synced to disk first)." placeholder:"process"`
}

// storeFlags say where readings go.
type storeFlags struct {
	Store        string   `enum:"embedded,influx" default:"embedded" help:"Time-series store: embedded (Prometheus TSDB in this process) or influx (InfluxDB 1.8, 2, 3 or VictoriaMetrics)." placeholder:"embedded"`
	Retention    duration `default:"400d" help:"How long readings are kept; older ones wait in quarantine. With --store influx: what the bucket keeps." placeholder:"400d"`
	InfluxURL    string   `env:"INFLUX_URL" help:"With --store influx: where the server is." placeholder:"http://127.0.0.1:8086"`
	InfluxOrg    string   `env:"INFLUX_ORG" help:"With --store influx: the organisation; empty for InfluxDB 1.8 and VictoriaMetrics." placeholder:"NAME"`
	InfluxBucket string   `env:"INFLUX_BUCKET" help:"With --store influx: the bucket; database or database/policy for InfluxDB 1.8." placeholder:"NAME"`
	InfluxToken  string   `env:"INFLUX_TOKEN" help:"With --store influx: the token, or user:password for InfluxDB 1.8; better given in the environment." placeholder:"SECRET"`
	QueryURL     string   `env:"HAIDANG_QUERY_URL" help:"With --store influx: where readings are asked for, if not at --influx-url, such as http://vmselect:8481/select/0/prometheus." placeholder:"URL"`
	Query        string   `enum:"auto,promql,influxql" default:"auto" help:"With --store influx: the language readings are asked for in: promql (VictoriaMetrics), influxql (InfluxDB), or auto, which asks the server." placeholder:"auto"`
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

// size is a number of bytes, written like 512MiB.
type size uint64

// Decode implements kong.MapperValue.
func (s *size) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("size", &text); err != nil {
		return err
	}
	units := []struct {
		suffix string
		factor uint64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
		if err != nil || n > 1<<62/u.factor {
			break
		}
		*s = size(n * u.factor)
		return nil
	}
	return fmt.Errorf("%q is not a size: write it like 512MiB or 10GiB", text)
}

// duration is a time.Duration that also takes days, like 400d.
type duration time.Duration

// Decode implements kong.MapperValue.
func (d *duration) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			*d = duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration: write it like 90s, 12h or 400d", text)
	}
	*d = duration(v)
	return nil
}

// instant is a moment as people type it; without a zone it is Vietnam's.
type instant time.Time

// Decode implements kong.MapperValue.
func (i *instant) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("time", &text); err != nil {
		return err
	}
	if text == "now" {
		*i = instant(time.Now())
		return nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		*i = instant(t)
		return nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, vietnam()); err == nil {
			*i = instant(t)
			return nil
		}
	}
	return fmt.Errorf("%q is not a time: write it like 2026-11-21, 2026-11-21T18:30 (in Vietnam), 2026-11-21T11:30:00Z or now", text)
}
