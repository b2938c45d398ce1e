package main

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// composeFile is what these tests look at in a compose file.
type composeFile struct {
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
}

type composeService struct {
	Image       string            `yaml:"image"`
	MemLimit    string            `yaml:"mem_limit"`
	Build       map[string]string `yaml:"build"`
	Restart     string            `yaml:"restart"`
	NetworkMode string            `yaml:"network_mode"`
	ReadOnly    bool              `yaml:"read_only"`
	CapDrop     []string          `yaml:"cap_drop"`
	SecurityOpt []string          `yaml:"security_opt"`
	Ports       []string          `yaml:"ports"`
	Privileged  bool              `yaml:"privileged"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Healthcheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
}

// composeFiles are both compose files and the data source each is about.
func composeFiles() map[string]string {
	return map[string]string{"compose.yaml": "influx", "compose.embedded.yaml": "embedded"}
}

func readCompose(t *testing.T, name string) composeFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	var f composeFile
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(f.Services) < 3 {
		t.Fatalf("%s: %d services", name, len(f.Services))
	}
	return f
}

// settled is an argument of a compose file with its variables' defaults.
func settled(arg string) string {
	return regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`).ReplaceAllString(arg, "$1")
}

// What Grafana is provisioned with is made by the very command that the compose
// file runs, so that neither can change without the other.
func TestProvisioningIsUpToDate(t *testing.T) {
	for name, form := range composeFiles() {
		t.Run(name, func(t *testing.T) {
			f := readCompose(t, name)
			args := slices.Clone(f.Services["boards"].Command)
			for i := range args {
				args[i] = settled(args[i])
			}
			if i := slices.Index(args, "--url"); i < 0 {
				t.Errorf("the service boards runs %q, without the names of the city", args)
			} else { // no city runs here, and no name is in these files
				args = slices.Delete(args, i, i+2)
			}
			out := t.TempDir()
			at := slices.Index(args, "--out")
			if at < 0 {
				t.Fatalf("the service boards runs %q, without --out", args)
			}
			written := args[at+1]
			args[at+1] = out
			code, stdout, stderr := try(args...)
			if code != 0 {
				t.Fatalf("%q: exit code %d: %s%s", args, code, stdout, stderr)
			}
			for _, file := range []string{"dashboards/haidang.yaml", "datasources/haidang.yaml"} {
				want, err := os.ReadFile(filepath.Join(out, "provisioning", file))
				if err != nil {
					t.Fatal(err)
				}
				committed := filepath.Join("deploy", "grafana", form, "provisioning", file)
				if os.Getenv("UPDATE") != "" {
					if err := os.MkdirAll(filepath.Dir(committed), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(committed, want, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if have, err := os.ReadFile(committed); err != nil || !bytes.Equal(have, want) {
					t.Errorf("%s is not what the boards service's command makes (%v): UPDATE=1 go test -run TestProvisioningIsUpToDate .", committed, err)
				}
			}
			// Grafana must see the boards where the provider says they are.
			provider, err := os.ReadFile(filepath.Join(out, "provisioning", "dashboards", "haidang.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			for _, folder := range []string{"haidang", "haidang-en"} {
				if _, err := os.Stat(filepath.Join(out, "boards", folder)); err != nil || !strings.Contains(string(provider), `path: "`+path.Join(written, "boards", folder)+`"`) {
					t.Errorf("the boards are written to %s (%v), and Grafana looks elsewhere:\n%s", written, err, provider)
				}
			}
			grafana := f.Services["grafana"]
			needed := []string{"boards:" + written + ":ro"}
			for _, kind := range []string{"dashboards", "datasources"} {
				needed = append(needed, "./grafana/"+form+"/provisioning/"+kind+":/etc/grafana/provisioning/"+kind+":ro")
			}
			// Alert rules depend on the city's sites, so they are not committed:
			// Grafana reads what the service boards has written.
			if _, err := os.Stat(filepath.Join(out, "provisioning", "alerting", "haidang.yaml")); err == nil {
				needed = append(needed, "alerting:/etc/grafana/provisioning/alerting:ro")
				if !slices.Contains(f.Services["boards"].Volumes, "alerting:"+path.Join(written, "provisioning", "alerting")) {
					t.Errorf("the service boards writes its alert rules where Grafana does not see them: %q", f.Services["boards"].Volumes)
				}
			} else if form == "influx" {
				t.Error("InfluxDB's alarms are Grafana's, and there is no file of them")
			}
			for _, volume := range needed {
				if !slices.Contains(grafana.Volumes, volume) {
					t.Errorf("Grafana's volumes %q lack %s", grafana.Volumes, volume)
				}
			}
			if env := args[slices.Index(args, "--source-env")+1]; grafana.Environment[env] == "" {
				t.Errorf("Grafana has no %s, which its data source uses", env)
			}
		})
	}
}

// Nothing in the compose files opens a door by itself.
func TestComposeIsClosed(t *testing.T) {
	for name := range composeFiles() {
		f := readCompose(t, name)
		for service, s := range f.Services {
			problem := func(text string) { t.Errorf("%s: %s: %s", name, service, text) }
			if len(s.Ports) > 0 || s.Privileged || s.NetworkMode != "host" {
				problem("it should only listen where its own settings say, on the loopback")
			}
			if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
				problem("it is not hardened")
			}
			if _, tag, _ := strings.Cut(s.Image, ":"); s.Image != "haidang:latest" && !regexp.MustCompile(`^v?\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?$`).MatchString(tag) {
				problem("the image " + s.Image + " has no exact version")
			}
			if !regexp.MustCompile(`^\d+[mg]$`).MatchString(settled(s.MemLimit)) {
				problem("its memory is not limited")
			}
			if s.Restart == "no" {
				continue // it runs once
			}
			if len(s.Healthcheck.Test) == 0 {
				problem("it has no health check")
			}
			for other, d := range s.DependsOn {
				if _, ok := f.Services[other]; !ok || d.Condition == "service_started" {
					problem("it waits for " + other + " without knowing that it is well")
				}
			}
		}
		for service, s := range f.Services {
			for _, v := range s.Volumes {
				source, _, _ := strings.Cut(v, ":")
				if strings.HasPrefix(source, "./") {
					if _, err := os.Stat(filepath.Join("deploy", source)); err != nil {
						t.Errorf("%s: %s mounts what is not there: %v", name, service, err)
					}
				} else if _, ok := f.Volumes[source]; !ok {
					t.Errorf("%s: %s mounts the volume %s, which is not declared", name, service, source)
				}
			}
		}
	}
}

// Listening addresses and secrets are where the settings of each server are.
func TestComposeListensOnTheLoopback(t *testing.T) {
	f := readCompose(t, "compose.yaml")
	conf, err := os.ReadFile("deploy/mosquitto/mosquitto.conf")
	if err != nil {
		t.Fatal(err)
	}
	for what, ok := range map[string]bool{
		"grafana":    f.Services["grafana"].Environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1",
		"influxdb":   f.Services["influxdb"].Environment["INFLUXD_HTTP_BIND_ADDRESS"] == "127.0.0.1:8086",
		"prometheus": slices.Contains(f.Services["prometheus"].Command, "--web.listen-address=127.0.0.1:9090"),
		"mosquitto":  regexp.MustCompile(`(?m)^listener \d+ 127\.0\.0\.1$`).Match(conf) && regexp.MustCompile(`(?m)^allow_anonymous false$`).Match(conf),
	} {
		if !ok {
			t.Errorf("%s does not listen on the loopback alone", what)
		}
	}
	example, err := os.ReadFile("deploy/.env.example")
	if err != nil {
		t.Fatal(err)
	}
	for name := range composeFiles() {
		text, err := os.ReadFile(filepath.Join("deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\$\{([A-Z_]+):\?`).FindAllStringSubmatch(string(text), -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `=$`).Match(example) {
				t.Errorf("%s demands %s, and .env.example does not name it or gives it a value", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`(?i)\n\s+\w*(PASSWORD|TOKEN)\w*: *(.*)`).FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(m[2], `"${`) {
				t.Errorf("%s has a secret in it: %s", name, m[0])
			}
		}
	}
}

// The commands in the compose files, the Dockerfile and the unit are some that
// this haidang understands.
func TestDeployedCommandsParse(t *testing.T) {
	var lines [][]string
	for name := range composeFiles() {
		for _, s := range readCompose(t, name).Services {
			if s.Image == "haidang:latest" && s.Command[0] != "dashboards" { // that one is run above
				lines = append(lines, s.Command)
			}
			if strings.HasPrefix(s.Image, "haidang") && len(s.Healthcheck.Test) > 2 {
				lines = append(lines, s.Healthcheck.Test[2:])
			}
		}
	}
	if len(lines) < 5 {
		t.Fatalf("only %d command lines found", len(lines))
	}
	for _, line := range lines {
		var cli commands
		parser, err := kong.New(&cli)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(line); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	unit, err := os.ReadFile("deploy/haidang.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "SystemCallFilter=@system-service", "MemoryDenyWriteExecute=yes", "MemoryMax=75%"} {
		if !strings.Contains(string(unit), "\n"+want+"\n") {
			t.Errorf("the unit lacks %s", want)
		}
	}
}
