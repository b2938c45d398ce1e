package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that imports within this repository begin with.
const module = "github.com/haidang-iot/haidang"

// rule is one line of the architecture. It concerns the packages of a folder and
// says what their production files may import. Where several rules concern a
// folder, all of them hold.
type rule struct {
	// folder the rule is about. "a" is that folder alone, "a/..." it and all
	// below, "a/*" all below but not itself.
	folder string
	// only lists all that the folder may import of this module.
	only []string
	// never lists imports from elsewhere that it may not have.
	never []string
	// why is told to whoever breaks it.
	why string
}

// rules are the design's: main joins the commands, cmd/city the parts, a child may import its parent,
// a parent imports only leaves, and every big library has one owner.
func rules() []rule {
	const telemetry, codec, store, ingest, devices = "ingest/telemetry", "ingest/codec", "ingest/store", "ingest", "devices"
	const city = "simulator/city"
	const limits, vnaqi = "ingest/telemetry/limits", "ingest/telemetry/vnaqi"
	const terminal, config = "cmd/terminal", "cmd/config"
	reflective := []string{"encoding/json", "reflect"}
	return []rule{
		// folder, what it may import of this module, what it may never import
		{telemetry, nil, nil, "it is a leaf that every part reads"},
		{"ingest/telemetry/*", []string{telemetry}, nil, "it says what readings mean, and nothing else"},
		{codec, []string{telemetry}, reflective, "it is a leaf, and decodes without reflection"},
		{store, []string{telemetry}, nil, "it is a leaf: the contract, not a store"},
		{"ingest/store/*", []string{telemetry, store}, nil, "a store knows its contract and nothing else of ingest"},
		{ingest, []string{telemetry, codec, store}, reflective, "a parent imports only leaves, and nothing on the path of a reading reflects"},
		{"ingest/journal", []string{ingest, telemetry}, reflective, "a child imports its parent and leaves, and nothing on the path of a reading reflects"},
		{"ingest/broker", []string{ingest, telemetry}, nil, "a child imports its parent and leaves"},
		{"ingest/door", []string{ingest, codec, telemetry, "ingest/door/session"}, reflective, "a child imports its parent and leaves, and nothing on the path of a reading reflects"},
		{"ingest/door/session", []string{"ingest/sqlitefile", "ingest/door/session/filter"}, nil, "it is a broker's memory, whatever the messages mean"},
		{"ingest/door/session/filter", nil, nil, "it is a leaf"},
		{"ingest/alarm", []string{ingest, telemetry}, nil, "a child imports its parent and leaves"},
		{"ingest/certificate", nil, nil, "it is a leaf"},
		{"ingest/figures", []string{telemetry, vnaqi, "ingest/telemetry/counter", store}, nil, "it knows the store's contract and what readings mean, and nothing of how they came"},
		{"ingest/sqlitefile", nil, nil, "it is a leaf: files, whatever is in them"},
		{"ingest/damage", []string{ingest, telemetry, "ingest/sqlitefile"}, nil, "a child imports its parent and leaves"},
		{"ingest/ledger", []string{ingest, store, telemetry, "ingest/sqlitefile"}, nil, "a child imports its parent and leaves"},
		{"ingest/api", []string{ingest, codec, telemetry}, nil, "a child imports its parent and leaves"},
		{devices, []string{telemetry, limits}, nil, "ingest and devices never import each other; cmd/city joins them"},
		{"devices/sqlstore", []string{devices, telemetry, limits, "devices/access"}, nil, "it keeps what its parent and access state; they do not know it"},
		{"devices/seed", []string{devices, telemetry, limits}, nil, "a child imports its parent and leaves"},
		{"devices/access", []string{devices, telemetry}, nil, "a child imports its parent and leaves"},
		{"devices/api", []string{devices, telemetry, limits}, nil, "a child imports its parent and leaves"},
		{"devices/api/*", []string{devices, telemetry, "devices/api"}, nil, "a child imports its parent and leaves"},
		{"devices/web", []string{devices, telemetry}, nil, "a child imports its parent and leaves"},
		{"dashboards", []string{telemetry, devices, limits, vnaqi}, nil, "boards see the catalogue only, so that a renamed metric breaks them at compile time"},
		{"dashboards/*", []string{telemetry, devices, limits, vnaqi, "dashboards"}, nil, "a child imports its parent and leaves"},
		{"simulator", []string{telemetry, devices, city}, nil, "the simulator cannot cheat"},
		{city, []string{telemetry}, nil, "it is a leaf: what is true, whoever measures it"},
		{"simulator/*", []string{telemetry, devices, limits, vnaqi, "simulator", city}, nil, "the simulator cannot cheat"},
		{"deploy/...", []string{telemetry, "deploy/..."}, nil, "it tests from outside"},
		{".", []string{"cmd/*"}, nil, "main lists the commands and nothing else"},
		{"cmd/terminal", []string{devices}, nil, "every command builds on it, so it builds on none and on little else"},
		{"cmd/config", []string{ingest, codec, telemetry}, nil, "it is a file's contents, not what is made of them"},
		{"cmd/ledger", []string{terminal, ingest, "ingest/api"}, nil, "it asks a running city, and opens none of its parts"},
		{"cmd/licenses", []string{terminal}, nil, "it tells of others' software, and uses none of ours"},
		{"cmd/licenses/collect", []string{"cmd/licenses"}, nil, "it runs before the program is built"},
		{"cmd/registry", []string{terminal, config, devices + "/...", telemetry, limits}, nil, "it asks a running city; a backup opens the registry, and nothing of ingest"},
		{"cmd/alarms", []string{terminal, ingest, "ingest/alarm", "ingest/api", telemetry}, nil, "it asks a running city, and opens none of its parts"},
		{"cmd/boards", []string{terminal, "dashboards/...", devices, "devices/api", telemetry, limits}, nil, "boards are made without a city"},
		{"cmd/simulation", []string{terminal, config, "cmd/alarms", "cmd/boards", "cmd/ledger", "simulator/...", "dashboards/rules", devices + "/...", ingest, "ingest/alarm", "ingest/api", codec, telemetry, limits}, nil, "a feed knows a city from outside only"},
		{"cmd/city", []string{terminal, config, "ingest/...", devices + "/...", "dashboards/rules", "simulator"}, nil, "it joins the parts, and is no client of itself"},
	}
}

// owner says that only some folders import a library.
type owner struct {
	library string // with "/..." for all below
	folders []string
	why     string
}

// owners are the libraries that one part hides from all others.
func owners() []owner {
	return []owner{
		{"github.com/nats-io/nats-server/v2/...", []string{"ingest/broker"}, "ingest/broker is the only package that knows nats-server"},
		{"github.com/nats-io/nats.go/jetstream", []string{"ingest/journal"}, "ingest/journal is the only package that knows JetStream's client"},
		{"github.com/nats-io/nats.go/...", []string{"ingest/journal", "ingest/broker"}, "NATS is the journal's and the broker's matter"},
		{"github.com/mochi-mqtt/server/v2/...", []string{"ingest/door", "ingest/door/session"}, "of packets only the door's connections and sessions know"},
		{"modernc.org/sqlite/...", []string{"ingest/ledger", "ingest/door/session", "ingest/sqlitefile", "devices/sqlstore"}, "SQL stays in the packages that own the tables"},
		{"github.com/prometheus/prometheus/...", []string{"ingest/store/embedded", "ingest/alarm"}, "only the embedded store knows the TSDB, and only alarm the rules over it"},
		{"github.com/influxdata/...", []string{"ingest/store/influx"}, "only the influx store knows InfluxDB's client"},
		{"github.com/grafana-tools/sdk/...", []string{"dashboards/grafana"}, "only dashboards/grafana speaks to Grafana"},
		{module, nil, "nobody imports main"},
		{"testing/...", nil, "production code does not know tests"},
	}
}

// support reports whether a folder holds packages for tests, such as
// store/storetest. Only tests import it, and it may import what its parent may.
func support(folder string) bool {
	return folder == "deploy/realserver" || strings.HasSuffix(folder, "test")
}

// folders may be at the top level; beside them only those that begin with a dot.
func folders() []string {
	return []string{"cmd", "ingest", "devices", "dashboards", "simulator", "deploy", "docs"}
}

// meaningless names say nothing of what a package is about.
func meaningless() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "lib", "base"}
}

// source is one Go file as the rules see it.
type source struct {
	folder  string // from the top, with slashes; "." is the top
	name    string
	imports []string
	dots    []string // those imported with a dot
	pkg     string
	doc     bool // it has a package comment
	inits   int
}

func (s source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s source) String() string { return path.Join(s.folder, s.name) }

func TestArchitecture(t *testing.T) {
	sources, top, err := readTree(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 10 {
		t.Fatalf("only %d Go files found: the test looks in the wrong place", len(sources))
	}
	for _, v := range violations(sources, top) {
		t.Error(v)
	}
}

// readTree reads the Go files below a folder and the names of its folders.
func readTree(root string) (sources []source, top []string, err error) {
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at, _ := filepath.Rel(root, file)
		at = filepath.ToSlash(at)
		if d.IsDir() {
			if at == "." {
				return nil
			}
			if strings.HasPrefix(at, ".") || slices.Contains([]string{"testdata", "node_modules"}, d.Name()) || at == "bin" || at == "haidang-data" {
				return filepath.SkipDir // not source, or left behind by builds and runs
			}
			if !strings.Contains(at, "/") {
				top = append(top, at)
			}
			return nil
		}
		if !strings.HasSuffix(at, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		s, err := readSource(at, text)
		sources = append(sources, s)
		return err
	})
	return sources, top, err
}

// readSource reads what the rules want to know of a file.
func readSource(file string, text []byte) (source, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, fmt.Errorf("parse source: %w", err)
	}
	s := source{folder: path.Dir(file), name: path.Base(file), pkg: f.Name.Name, doc: f.Doc != nil}
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return source{}, fmt.Errorf("read import of %s: %w", file, err)
		}
		s.imports = append(s.imports, p)
		if i.Name != nil && i.Name.Name == "." {
			s.dots = append(s.dots, p)
		}
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			s.inits++
		}
	}
	return s, nil
}

// violations lists what breaks the rules, in order of files.
func violations(sources []source, top []string) (found []string) {
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for _, folder := range top {
		if !slices.Contains(folders(), folder) {
			add("%s/: the top level has only the folders %s", folder, strings.Join(folders(), " "))
		}
	}
	documented := map[string]bool{}
	for _, s := range sources {
		documented[s.folder] = documented[s.folder] || s.doc && !s.test()
	}
	reported := map[string]bool{}
	for _, s := range sources {
		if !documented[s.folder] && !reported[s.folder] {
			reported[s.folder] = true
			add("%s: package %s has no doc comment", s, s.pkg)
		}
		if slices.Contains(meaningless(), s.pkg) {
			add("%s: %q says nothing of what the package is about", s, s.pkg)
		}
		if s.inits > 0 {
			add("%s: func init runs before main can decide anything; use a constructor", s)
		}
		for _, p := range s.dots {
			add("%s: the dot import of %s hides where names come from", s, p)
		}
		found = append(found, crossings(s)...)
		if !s.test() {
			found = append(found, badImports(s)...)
		}
	}
	return found
}

// crossings are the imports between ingest and devices, which tests must not
// have either.
func crossings(s source) (found []string) {
	for _, p := range s.imports {
		to := strings.TrimPrefix(p, module+"/")
		for _, pair := range [][2]string{{"ingest", "devices"}, {"devices", "ingest"}} {
			// The catalogue is below ingest, but everybody's.
			if matches(pair[0]+"/...", s.folder) && matches(pair[1]+"/...", to) && !matches("ingest/telemetry/...", to) {
				found = append(found, fmt.Sprintf("%s imports %s: ingest and devices never import each other; cmd/city joins them", s, to))
			}
		}
	}
	return found
}

// badImports are the imports of a production file that the tables forbid.
func badImports(s source) (found []string) {
	add := func(p, why string) { found = append(found, fmt.Sprintf("%s imports %s: %s", s, p, why)) }
	folder := s.folder
	if support(folder) {
		folder = path.Dir(folder)
	}
	ruled := false
	for _, r := range rules() {
		if !matches(r.folder, folder) {
			continue
		}
		ruled = true
		for _, p := range s.imports {
			inside, isInside := strings.CutPrefix(p, module+"/")
			allowed := func(pattern string) bool { return matches(pattern, inside) }
			if isInside && inside != folder && !support(inside) && !slices.ContainsFunc(r.only, allowed) {
				add(p, r.why)
			}
			if slices.ContainsFunc(r.never, func(pattern string) bool { return matches(pattern, p) }) {
				add(p, r.why)
			}
		}
	}
	if !ruled {
		found = append(found, fmt.Sprintf("%s: no rule says what %s may import; add it to the table", s, s.folder))
	}
	for _, p := range s.imports {
		for _, o := range owners() {
			if matches(o.library, p) && !slices.Contains(o.folders, folder) && !(support(s.folder) && o.library == "testing/...") {
				add(p, o.why)
			}
		}
		if inside, ok := strings.CutPrefix(p, module+"/"); ok && support(inside) && !support(s.folder) {
			add(p, "it is for tests")
		}
	}
	return found
}

// matches reports whether a path is meant by a pattern: itself, with "/..." all
// below too, with "/*" only those below.
func matches(pattern, p string) bool {
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == above || strings.HasPrefix(p, above+"/")
	}
	if above, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(p, above+"/")
	}
	return p == pattern
}

// breach is a file and what the rules must say of it.
type breach struct {
	file, text string
	want       string // in the violation; empty is none
}

// insideBreaches are about imports within the module.
func insideBreaches() []breach {
	return []breach{
		{"main.go", `import "M/ingest/broker"`, "lists the commands"},
		{"main_test.go", `import "M/deploy/realserver"`, ""},
		{"ingest/telemetry/a.go", `import "M/ingest/store"`, "leaf"},
		{"ingest/codec/a.go", `import "M/ingest/telemetry"`, ""},
		{"ingest/codec/a.go", `import "M/ingest"`, "leaf"},
		{"ingest/codec/a.go", `import "encoding/json"`, "reflection"},
		{"ingest/codec/a.go", `import "reflect"`, "reflection"},
		{"ingest/codec/a_test.go", `import "encoding/json"`, ""},
		{"ingest/a.go", `import "encoding/json"`, "reflects"},
		{"ingest/journal/a.go", `import "encoding/json"`, "reflects"},
		{"ingest/api/a.go", `import "encoding/json"`, ""},
		{"ingest/store/a.go", `import "M/ingest"`, "contract"},
		{"ingest/store/embedded/a.go", `import "M/ingest/store"`, ""},
		{"ingest/store/embedded/a.go", `import "M/ingest/store/influx"`, "contract"},
		{"ingest/a.go", `import "M/ingest/store"`, ""},
		{"ingest/a.go", `import "M/ingest/journal"`, "only leaves"},
		{"ingest/journal/a.go", `import "M/ingest"`, ""},
		{"ingest/journal/a.go", `import "M/ingest/broker"`, "its parent and leaves"},
		{"ingest/api/a.go", `import "M/ingest/ledger"`, "its parent and leaves"},
		{"ingest/a.go", `import "M/devices"`, "never import each other"},
		{"ingest/a_test.go", `import "M/devices/sqlstore"`, "never import each other"},
		{"devices/a.go", `import "M/ingest"`, "never import each other"},
		{"devices/api/a_test.go", `import "M/ingest/store"`, "never import each other"},
		{"devices/api/a_test.go", `import "M/ingest/telemetry"`, ""},
		{"devices/api/a.go", `import "M/devices"`, ""},
		{"devices/sqlstore/a.go", `import "M/devices/access"`, ""},
		{"devices/access/a.go", `import "M/devices/sqlstore"`, "its parent and leaves"},
		{"devices/web/a.go", `import "M/devices/sqlstore"`, "its parent and leaves"},
		{"simulator/a.go", `import "M/devices"`, ""},
		{"simulator/a.go", `import "M/ingest/codec"`, "cheat"},
		{"simulator/tape/a.go", `import "M/ingest"`, "cheat"},
		{"simulator/tape/a.go", `import "M/simulator"`, ""},
		{"simulator/a.go", `import "M/simulator/city"`, ""},
		{"simulator/a.go", `import "M/simulator/scenario"`, "cheat"},
		{"simulator/scenario/a.go", `import "M/simulator"`, ""},
		{"simulator/scenario/a.go", `import "M/ingest/codec"`, "cheat"},
		{"dashboards/a.go", `import "M/ingest/store"`, "catalogue"},
		{"main.go", `import "M/cmd/city"`, ""},
		{"cmd/terminal/a.go", `import "M/cmd/city"`, "builds on none"},
		{"cmd/simulation/a.go", `import "M/ingest/store"`, "from outside only"},
		{"cmd/city/a.go", `import "M/cmd/simulation"`, "no client of itself"},
		{"cmd/city/a.go", `import "M/ingest/store/embedded"`, ""},
		{"dashboards/grafana/a.go", `import "M/dashboards"`, ""},
		{"simulator/a.go", `import "M"`, "nobody imports main"},
		{"main.go", `import "M/deploy/realserver"`, "for tests"},
		{"ingest/broker/a.go", `import "M/ingest/broker/brokertest"`, "for tests"},
		{"ingest/broker/a_test.go", `import "M/ingest/broker/brokertest"`, ""},
		{"ingest/broker/brokertest/a.go", `import "github.com/nats-io/nats-server/v2/server"`, ""},
		{"ingest/store/storetest/a.go", `import "M/ingest/store"`, ""},
		{"ingest/store/storetest/a.go", `import "M/ingest/store/embedded"`, "contract"},
		{"ingest/a.go", `import "testing"`, "does not know tests"},
		{"deploy/realserver/a.go", `import "testing"`, ""},
	}
}

// otherBreaches are about libraries and what is not an import.
func otherBreaches() []breach {
	return []breach{
		{"ingest/broker/a.go", `import "github.com/nats-io/nats-server/v2/server"`, ""},
		{"ingest/broker/a.go", `import "github.com/nats-io/nats.go"`, ""},
		{"ingest/broker/a.go", `import "github.com/nats-io/nats.go/jetstream"`, "JetStream"},
		{"ingest/journal/a.go", `import "github.com/nats-io/nats-server/v2/server"`, "nats-server"},
		{"main.go", `import "github.com/nats-io/nats.go"`, "NATS"},
		{"ingest/ledger/a.go", `import _ "modernc.org/sqlite"`, ""},
		{"devices/sqlstore/a.go", `import _ "modernc.org/sqlite"`, ""},
		{"ingest/a.go", `import _ "modernc.org/sqlite"`, "SQL"},
		{"main.go", `import "github.com/prometheus/prometheus/tsdb"`, "TSDB"},
		{"ingest/alarm/a.go", `import "github.com/prometheus/prometheus/rules"`, ""},
		{"dashboards/rules/a.go", `import "github.com/prometheus/prometheus/rules"`, "TSDB"},
		{"ingest/alarm/a.go", `import "M/ingest/store/embedded"`, "its parent and leaves"},
		{"ingest/a.go", `import "github.com/prometheus/client_golang/prometheus"`, ""},
		{"ingest/store/embedded/a.go", `import "github.com/influxdata/line-protocol/v2/lineprotocol"`, "InfluxDB"},
		{"dashboards/grafana/a.go", `import "github.com/grafana-tools/sdk"`, ""},
		{"dashboards/a.go", `import "github.com/grafana-tools/sdk"`, "speaks to Grafana"},
		{"ingest/cache/a.go", ``, "no rule says"},
		{"ingest/a.go", `import . "fmt"`, "dot import"},
		{"ingest/a_test.go", `import . "fmt"`, "dot import"},
		{"ingest/a.go", `func init() {}`, "init"},
		{"ingest/a.go", "type a struct{}\nfunc (a) init() {}", ""},
	}
}

// A test that cannot fail proves nothing: each rule is broken once.
func TestArchitectureIsEnforced(t *testing.T) {
	for _, c := range append(insideBreaches(), otherBreaches()...) {
		text := "// Package x is documented.\npackage x\n" + strings.ReplaceAll(c.text, `"M`, `"`+module) + "\n"
		s, err := readSource(c.file, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.doc = true
		all := []source{s}
		if s.test() {
			all = append(all, source{folder: s.folder, name: "doc.go", pkg: s.pkg, doc: true, imports: nil})
		}
		got := strings.Join(violations(all, nil), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s with %s: want a violation with %q, have %q", c.file, c.text, c.want, got)
		}
	}
	if got := violations(nil, []string{"ingest", "pkg"}); len(got) != 1 || !strings.Contains(got[0], "pkg/") {
		t.Errorf("a new folder at the top level: %q", got)
	}
	for _, s := range []source{{folder: "ingest", name: "a.go", pkg: "ingest"}, {folder: "ingest", name: "a.go", pkg: "util", doc: true}} {
		if got := violations([]source{s}, nil); len(got) != 1 {
			t.Errorf("%+v: %q", s, got)
		}
	}
}
