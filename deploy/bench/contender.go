package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// programs are where the programs of all contenders are.
type programs struct{ haidang, mosquitto, telegraf, victoria, influxd, self string }

// findPrograms looks for the programs: ours as given, the others on PATH, in /usr/sbin and in
// the folder of `make tools`.
func findPrograms(haidang, tools string) (p programs, err error) {
	find := func(name, remedy string) string {
		for _, at := range []string{filepath.Join(tools, name), name, "/usr/sbin/" + name} {
			if path, err := exec.LookPath(at); err == nil {
				if path, err = filepath.Abs(path); err == nil {
					return path
				}
			}
		}
		err = errors.Join(err, fmt.Errorf("%s is not installed: %s", name, remedy))
		return ""
	}
	p.haidang = find(haidang, "make build")
	p.mosquitto = find("mosquitto", "apt-get install mosquitto")
	p.victoria = find("victoria-metrics", "apt-get install victoria-metrics")
	p.influxd = find("influxd", "make tools")
	p.telegraf = find("telegraf", "deploy/install-tools.sh bench")
	self, e := os.Executable()
	p.self = self
	return p, errors.Join(err, e)
}

// contender is one way from MQTT to a store that can be asked.
type contender struct {
	// id is its name on the command line and in the raw figures, title in tables.
	id, title string
	// build makes its processes; nothing runs yet.
	build func(s *stack) error
	// floor says that it keeps nothing that could be asked for.
	floor bool
}

// The contenders' ids that others refer to.
const (
	oursPower = "haidang-power"
	peer      = "telegraf-victoria"
	outage    = "haidang-victoria"
	floorID   = "floor"
)

// contenders are all, in the order of the tables.
func contenders() []contender {
	return []contender{
		{id: oursPower, title: "`haidang up`, power", build: ours("power")},
		{id: "haidang-process", title: "`haidang up`, process", build: ours("process")},
		{id: "haidang-broker", title: "Mosquitto + `haidang up --broker`, power", build: oursBehindMosquitto},
		{id: peer, title: "Mosquitto + Telegraf + VictoriaMetrics", build: telegrafVictoria},
		{id: "telegraf-influx", title: "Mosquitto + Telegraf + InfluxDB", build: telegrafInflux},
		{id: floorID, title: "floor: receive, one synced write, acknowledge", build: floorStack, floor: true},
	}
}

// stack is a contender that runs, in a folder of its own.
type stack struct {
	contender
	programs programs
	dir      string
	procs    []*process
	// mqtt is where it takes messages, HOST:PORT; url the REST of ours, empty for others.
	mqtt, url string
	store     reader
	// data is the folder of its store's files.
	data string
	// storeProcess is the one whose absence is an outage of the store; nil if it cannot be
	// absent alone.
	storeProcess *process
}

// newStack makes a contender's processes in a folder.
func newStack(c contender, p programs, dir string) (*stack, error) {
	s := &stack{contender: c, programs: p, dir: filepath.Join(dir, c.id)}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	return s, c.build(s)
}

// add adds a process, which is started after those before it.
func (s *stack) add(name, address string, args ...string) *process {
	p := &process{name: name, args: args, log: filepath.Join(s.dir, name+".log"), address: address}
	s.procs = append(s.procs, p)
	return p
}

// start starts all processes and returns how long it took until messages are taken and
// queries answered.
func (s *stack) start(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	for i, p := range s.procs {
		if err := p.start(); err != nil {
			return 0, err
		}
		if i < len(s.procs)-1 {
			if err := until(ctx, readyWithin, 5*time.Millisecond, func(context.Context) error { return reachable(p.address) }); err != nil {
				return 0, fmt.Errorf("start %s: %w: %s", p.name, err, p.logEnd())
			}
		}
	}
	err := s.await(ctx, began)
	return time.Since(began), err
}

// reachable reports whether somebody listens at an address.
func reachable(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		err = conn.Close()
	}
	return err
}

// await waits until the stack is ready.
func (s *stack) await(ctx context.Context, began time.Time) error {
	err := until(ctx, readyWithin, 10*time.Millisecond, func(ctx context.Context) error {
		for _, p := range s.procs {
			if !p.running() {
				return fmt.Errorf("%s has ended: %s", p.name, p.logEnd())
			}
		}
		if err := canConnect(s.mqtt); err != nil {
			return err
		}
		return s.store.ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("start %s (after %v): %w", s.id, time.Since(began).Round(time.Millisecond), err)
	}
	return nil
}

// stop ends all processes, those that others send to last.
func (s *stack) stop() error {
	var errs []error
	for _, p := range slices.Backward(s.procs) {
		errs = append(errs, p.end(syscall.SIGTERM))
	}
	return errors.Join(errs...)
}

// cpu is the CPU time of each process so far, in seconds, in their order.
func (s *stack) cpu() ([]float64, error) {
	out := make([]float64, len(s.procs))
	for i, p := range s.procs {
		var err error
		if out[i], err = p.cpu(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// listen gives a free loopback address.
func listen() (string, error) {
	port, err := freePort()
	return fmt.Sprintf("127.0.0.1:%d", port), err
}

// haidang adds `haidang up` with more arguments.
func (s *stack) haidang(durability string, more ...string) error {
	mqtt, err1 := listen()
	http, err2 := listen()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	s.mqtt, s.url = mqtt, "http://"+http
	s.data = filepath.Join(s.dir, "data", "store")
	s.store = promReader{base: s.url + "/prometheus", health: s.url + "/readyz"}
	args := []string{s.programs.haidang, "up", "--data", filepath.Join(s.dir, "data"), "--http", http, "--mqtt", mqtt, "--durability", durability,
		"--admit-limit", "50000", "--mqtt-max-connections", "20000"}
	s.add("haidang", http, append(args, more...)...)
	return nil
}

func ours(durability string) func(*stack) error {
	return func(s *stack) error { return s.haidang(durability) }
}

func oursBehindMosquitto(s *stack) error {
	address, err := s.mosquitto()
	if err != nil {
		return err
	}
	if err := s.haidang("power", "--broker", "tcp://"+address); err != nil {
		return err
	}
	s.mqtt = address
	return nil
}

// oursToVictoria is ours with a store that can be away while the rest runs.
func oursToVictoria(s *stack) error {
	url, p, err := s.victoria()
	if err != nil {
		return err
	}
	data := s.data
	if err := s.haidang("power", "--store", "influx", "--influx-url", url, "--influx-bucket", "city"); err != nil {
		return err
	}
	s.store, s.data, s.storeProcess = promReader{base: url, health: url + "/health"}, data, p
	return nil
}

func telegrafVictoria(s *stack) error {
	url, p, err := s.victoria()
	if err != nil {
		return err
	}
	s.store, s.storeProcess = promReader{base: url, health: url + "/health"}, p
	return s.telegraf(url)
}

func telegrafInflux(s *stack) error {
	url, p, err := s.influx()
	if err != nil {
		return err
	}
	s.store, s.storeProcess = influxReader{url}, p
	return s.telegraf(url)
}

// mosquitto adds a broker that keeps what its subscribers have not taken, as a city's must.
func (s *stack) mosquitto() (string, error) {
	address, err := listen()
	if err != nil {
		return "", err
	}
	who, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("look up user: %w", err)
	}
	_, port, _ := net.SplitHostPort(address)
	conf := filepath.Join(s.dir, "mosquitto.conf")
	// Started by root it becomes its own user, who may not enter the folder.
	text := fmt.Sprintf("user %s\nlistener %s 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 0\n"+
		"persistence true\npersistence_location %s/\nautosave_interval 30\nlog_dest stderr\nlog_type error\nlog_type warning\n", who.Username, port, s.dir)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return "", err
	}
	s.mqtt = address
	s.add("mosquitto", address, s.programs.mosquitto, "-c", conf)
	return address, nil
}

func (s *stack) victoria() (string, *process, error) {
	address, err := listen()
	if err != nil {
		return "", nil, err
	}
	s.data = filepath.Join(s.dir, "victoria")
	// What has just come is shown at once, which is what publish to queryable is about.
	return "http://" + address, s.add("victoria-metrics", address, s.programs.victoria, "-httpListenAddr="+address, "-storageDataPath="+s.data,
		"-retentionPeriod=10y", "-search.latencyOffset=0s", "-loggerLevel=WARN"), nil
}

func (s *stack) influx() (string, *process, error) {
	address, err1 := listen()
	inner, err2 := listen()
	if err := errors.Join(err1, err2); err != nil {
		return "", nil, err
	}
	s.data = filepath.Join(s.dir, "influx", "data")
	conf := filepath.Join(s.dir, "influxd.conf")
	text := fmt.Sprintf("reporting-disabled = true\nbind-address = %q\n[meta]\n  dir = %q\n[data]\n  dir = %q\n  wal-dir = %q\n  index-version = \"tsi1\"\n"+
		"  compact-full-write-cold-duration = \"10s\"\n  query-log-enabled = false\n[monitor]\n  store-enabled = false\n[http]\n  bind-address = %q\n  log-enabled = false\n",
		inner, filepath.Join(s.dir, "influx", "meta"), s.data, filepath.Join(s.dir, "influx", "wal"), address)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	return "http://" + address, s.add("influxd", address, s.programs.influxd, "run", "-config", conf), nil
}

// telegraf adds Mosquitto and Telegraf, which acknowledges only what its output has taken.
func (s *stack) telegraf(output string) error {
	address, err := s.mosquitto()
	if err != nil {
		return err
	}
	var topics []string
	for _, kind := range []string{"air_quality", "weather", "water_level", "traffic", "noise", "water_quality", "street_light", "energy", "waste", "parking"} {
		topics = append(topics, fmt.Sprintf("%q", "kh/+/"+kind+"/+"))
	}
	conf := filepath.Join(s.dir, "telegraf.conf")
	text := fmt.Sprintf(`[agent]
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 1000000
  omit_hostname = true
  quiet = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://%s"]
  topics = [%s]
  topic_tag = ""
  qos = 1
  client_id = "telegraf"
  persistent_session = true
  max_undelivered_messages = 20000
  data_format = "json"
  json_time_key = "ts"
  json_time_format = "unix_ms"
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "+/+/+/+"
    measurement = "_/_/measurement/_"
    tags = "_/locality/_/device"
[[outputs.influxdb]]
  urls = [%q]
  database = "city"
  content_encoding = "gzip"
`, address, strings.Join(topics, ", "), output)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	s.add("telegraf", "", s.programs.telegraf, "--config", conf)
	return nil
}

func floorStack(s *stack) error {
	mqtt, err1 := listen()
	http, err2 := listen()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	s.mqtt, s.store = mqtt, floorReader{"http://" + http}
	s.add("floor", mqtt, s.programs.self, "-floor", mqtt, "-floor-http", http, "-floor-file", filepath.Join(s.dir, "floor.log.bin"))
	return nil
}

// canConnect reports whether a broker lets a client in.
func canConnect(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	// CONNECT of MQTT 3.1.1, a clean session, keep-alive 10 s, client id "ready".
	if _, err := conn.Write([]byte("\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05ready")); err != nil {
		return err
	}
	answer := make([]byte, 4)
	if _, err := conn.Read(answer); err != nil {
		return err
	}
	if answer[0] != 0x20 || answer[3] != 0 {
		return fmt.Errorf("connect to %s: CONNACK is % x", address, answer)
	}
	_, err = conn.Write([]byte{0xe0, 0})
	return err
}

// httpOK asks an address and wants 2xx.
func httpOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}
