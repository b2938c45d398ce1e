package boards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/grafana"
)

// grafanaFlags say which Grafana is meant, and as whom.
type grafanaFlags struct {
	Grafana      string `env:"HAIDANG_GRAFANA" default:"http://127.0.0.1:3000" help:"Grafana's address (9.4 to 13), with its sub-path if it has one." placeholder:"http://127.0.0.1:3000"`
	GrafanaToken string `name:"token" env:"HAIDANG_GRAFANA_TOKEN" help:"Token of a service account with the role Admin, or user:password; better given in the environment." placeholder:"SECRET"`
	GrafanaCA    string `name:"ca" env:"HAIDANG_GRAFANA_CA" type:"path" help:"Certificate (PEM) of the authority that vouches for --grafana, where this machine does not know it." placeholder:"FILE"`
	Plain        bool   `help:"Send the token to another machine unencrypted: only on a network that is yours alone."`
}

// open greets Grafana.
func (f grafanaFlags) open(ctx context.Context) (*grafana.Server, error) {
	u, err := url.Parse(f.Grafana)
	if err == nil && f.GrafanaToken != "" && u.Scheme == "http" && !terminal.ThisMachine(u.Hostname()) && !f.Plain {
		return nil, fmt.Errorf("--grafana %s is not encrypted, and the token would cross the network for all to read: give an https:// address, or --plain if that network is yours alone", terminal.Redact(f.Grafana))
	}
	client, err := terminal.ClientFlags{CA: f.GrafanaCA}.Client()
	if err != nil {
		return nil, err
	}
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	return grafana.Open(ctx, grafana.Options{URL: f.Grafana, Token: f.GrafanaToken, Transport: transport})
}

// sourceOfBoards say what is published: which boards, reading where.
type sourceOfBoards struct {
	placesFlags
	Lang        []string `enum:"vi,en" default:"vi,en" help:"Languages of the boards: vi, en or vi,en. Each has boards, a folder and a wall of its own; alert rules are there once, titled in the first." placeholder:"vi,en"`
	Folder      string   `help:"Title of the folder in Grafana, Hải Đăng if left out; that of English boards has (English) behind it." default:"Hải Đăng" placeholder:"TITLE"`
	Source      string   `help:"Where the boards read, as Grafana reaches it: the city's /prometheus, VictoriaMetrics, or InfluxDB. If left out, a data source that is there keeps its address, and a new one gets http://127.0.0.1:8080/prometheus or, with --query influxql, http://127.0.0.1:8086." placeholder:"URL"`
	DataSource  string   `name:"datasource" aliases:"data-source" help:"uid of the data source in Grafana, haidang if left out." default:"haidang" placeholder:"UID"`
	SourceName  string   `help:"Name of the data source in Grafana, Hải Đăng if left out." default:"Hải Đăng" placeholder:"NAME"`
	SourceToken string   `env:"HAIDANG_SOURCE_TOKEN" help:"Token that Grafana shows there: an API token of the city, or InfluxDB's; kept encrypted in Grafana. Better given in the environment." placeholder:"SECRET"`
	Query       string   `enum:"promql,influxql" default:"promql" help:"Language of the store: promql (embedded, VictoriaMetrics) or influxql (InfluxDB)." placeholder:"promql"`
	Bucket      string   `name:"influx-bucket" env:"INFLUX_BUCKET" help:"With --query influxql: the bucket or database." placeholder:"NAME"`
	Rules       string   `enum:"auto,yes,no" default:"auto" help:"Alert rules that Grafana evaluates: yes, no, or auto, which is yes with --query influxql and no with promql, where haidang up evaluates the same ones and a second set would ring twice." placeholder:"auto"`
	With        string   `type:"path" help:"Folder of what 'pull' kept; it is used instead of what is generated." placeholder:"DIR"`
}

// bundle is what is to be published.
func (f sourceOfBoards) bundle(ctx context.Context) (grafana.Bundle, error) {
	b := grafana.Bundle{DataSource: grafana.DataSource{
		UID: f.DataSource, Name: f.SourceName, Language: dashboards.Language(f.Query), URL: f.Source, AnyURL: f.Source == "",
	}}
	if len(f.Lang) == 0 {
		return b, errors.New("--lang is empty: give vi, en or vi,en")
	}
	switch {
	case f.Source == "" && f.Query == "influxql":
		b.DataSource.URL = "http://127.0.0.1:8086"
	case f.Source == "":
		b.DataSource.URL = terminal.DefaultURL + terminal.PrometheusPath
	}
	if f.Query == "influxql" {
		b.DataSource.Database = f.Bucket
	}
	switch {
	case f.SourceToken == "":
	case f.Query == "influxql":
		b.DataSource.Authorization = "Token " + f.SourceToken
	default:
		b.DataSource.Authorization = "Bearer " + f.SourceToken
	}
	province, err := f.province(ctx)
	if err != nil {
		return b, err
	}
	for _, lang := range f.Lang {
		set, err := f.set(province, dashboards.Lang(lang))
		if err != nil {
			return b, err
		}
		b.Sets = append(b.Sets, set)
	}
	if b.Alerts, err = f.alerts(province); err != nil {
		return b, err
	}
	if f.With != "" {
		kept, err := grafana.ReadKept(f.With)
		if err == nil {
			b, err = b.With(kept)
		}
		if err != nil {
			return b, fmt.Errorf("--with: %w", err)
		}
	}
	return b, b.Check()
}

// set is the boards of one language, with what belongs to them. What the language
// adds to uids and titles keeps them apart: Grafana takes each once.
func (f sourceOfBoards) set(p dashboards.Province, lang dashboards.Lang) (grafana.Set, error) {
	suffix, wall := "", " – màn hình lớn"
	s := grafana.Set{Folder: grafana.Folder{UID: "haidang", Title: f.Folder}}
	if lang == dashboards.English {
		suffix, wall = "-en", " – wall"
		s.Folder = grafana.Folder{UID: "haidang-en", Title: f.Folder + " (English)"}
	}
	models, turn, err := boardModels(p, string(lang), f.Query, f.DataSource)
	if err != nil {
		return s, err
	}
	for _, m := range models {
		board, err := grafana.NewBoard(m.text)
		if err != nil {
			return s, err
		}
		s.Boards = append(s.Boards, board)
	}
	if len(turn) > 0 {
		s.Playlist = grafana.Playlist{UID: "haidang-wall" + suffix, Name: s.Folder.Title + wall, Interval: dashboards.WallInterval.String(), Boards: turn}
	}
	return s, nil
}

type dashboardsPush struct {
	grafanaFlags
	sourceOfBoards
	Force    bool `help:"Overwrite what was changed by hand in Grafana."`
	DryRun   bool `help:"Say what would be done, and change nothing."`
	NoSource bool `help:"Leave the data source alone; then, without alert rules, a token of the role Editor is enough, but for the first push."`
}

// Help is kong's detailed help.
func (dashboardsPush) Help() string {
	return `Makes a data source and, in Vietnamese and English, a folder, the boards and a playlist for the wall. With
InfluxDB, whose alarms Grafana evaluates, also a folder of alert rules; with another store haidang up evaluates them, and
rules of an earlier push are removed. Run it again at any time: it changes only what differs. What somebody changed in
Grafana is not overwritten without --force.

Some rules hold for sites of a use (where people live, bathe, farm). Which those are says the city at --url; without it
those rules are neither made nor removed. Limits change by date: push again when one has.

Examples:
  HAIDANG_GRAFANA_TOKEN=… haidang dashboards push
  haidang dashboards push --grafana https://grafana.example.vn --source https://haidang.example.vn/prometheus
  haidang dashboards push --source http://127.0.0.1:8086 --query influxql --influx-bucket city --url http://127.0.0.1:8080
  haidang dashboards push --url http://127.0.0.1:8080 --lang en --dry-run    names of sites from the city

A store of the other kind behind the same data source is refused without --force: give --query as it was given before.`
}

// Run publishes.
func (c *dashboardsPush) Run(ctx context.Context, out *terminal.Output) error {
	server, bundle, err := begin(ctx, c.grafanaFlags, c.sourceOfBoards, out.Stderr)
	if err != nil {
		return err
	}
	if c.Force && !c.DryRun {
		fmt.Fprintln(out.Stderr, "With --force: what was changed by hand is overwritten. Grafana keeps it in each board's version history, but not every version does so with alert rules: haidang dashboards pull keeps both.")
	}
	p := &grafana.Publisher{Server: server, Force: c.Force, DryRun: c.DryRun, NoSource: c.NoSource}
	var walls []string
	p.Tell = func(s grafana.Step) {
		printStep(out.Stdout, s, c.DryRun)
		if s.What == "playlist" && s.UID != "" {
			walls = append(walls, fmt.Sprintf("%s: %s", s.Name, server.WallURL(s.UID)))
		}
	}
	if err := p.Push(ctx, bundle); err != nil {
		if ctx.Err() != nil {
			return errors.New("stopped before all was done: push again, what is done already is not done twice")
		}
		return err
	}
	if len(walls) > 0 && !c.DryRun {
		fmt.Fprintf(out.Stdout, "\n%s\n", strings.Join(walls, "\n"))
	}
	return nil
}

// begin makes the boards and greets Grafana.
func begin(ctx context.Context, g grafanaFlags, s sourceOfBoards, stderr io.Writer) (*grafana.Server, grafana.Bundle, error) {
	bundle, err := s.bundle(ctx)
	if err != nil {
		return nil, bundle, err
	}
	server, err := g.open(ctx)
	if err != nil {
		return nil, bundle, err
	}
	version := server.Version
	if version == "" {
		version = "(version hidden)"
	}
	fmt.Fprintf(stderr, "Grafana %s at %s: looking at %s …\n", version, terminal.Redact(g.Grafana), contents(bundle))
	s.warn(stderr, bundle)
	return server, bundle, nil
}

// contents says how much is in a bundle.
func contents(b grafana.Bundle) string {
	boards, rules := 0, 0
	for _, s := range b.Sets {
		boards += len(s.Boards)
	}
	for _, g := range b.Alerts.Groups {
		rules += len(g.Rules)
	}
	if rules == 0 {
		return fmt.Sprintf("%d boards", boards)
	}
	return fmt.Sprintf("%d boards and %d alert rules", boards, rules)
}

func printStep(w io.Writer, s grafana.Step, dry bool) {
	done := s.Done
	if dry && done != "unchanged" && done != "left" {
		done = "would be " + done
	}
	line := fmt.Sprintf("%2d/%-2d  %-17s %-12s %-28s %s", s.Number, s.Of, done, s.What, s.UID, s.Name)
	if s.Why != "" {
		line += " (" + s.Why + ")"
	}
	fmt.Fprintln(w, line)
}

type dashboardsDiff struct {
	grafanaFlags
	sourceOfBoards
	JSON bool `name:"json" help:"Print JSON instead of text."`
}

// Help is kong's detailed help.
func (dashboardsDiff) Help() string {
	return `Shows what somebody changed in Grafana since the last push, panel by panel and alert rule by alert rule, and
what a push would change.
Exit code 1 if a push would overwrite somebody's work.

Examples:
  haidang dashboards diff
  haidang dashboards diff --lang en --json`
}

// Run compares.
func (c *dashboardsDiff) Run(ctx context.Context, out *terminal.Output) error {
	server, bundle, err := begin(ctx, c.grafanaFlags, c.sourceOfBoards, out.Stderr)
	if err != nil {
		return err
	}
	findings, err := (&grafana.Publisher{Server: server}).Inspect(ctx, bundle)
	if err != nil {
		return err
	}
	if c.JSON {
		err = terminal.PrintJSON(out.Stdout, differencesOf(findings))
	} else {
		printStandings(out.Stdout, findings)
	}
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.State.Overwrites() {
			return terminal.ExitCode(1)
		}
	}
	return nil
}

// difference is the part of diff --json of a board or an alert rule.
type difference struct {
	What    string           `json:"what"`
	UID     string           `json:"uid"`
	Title   string           `json:"title"`
	State   grafana.State    `json:"state"`
	Changes []grafana.Change `json:"changes,omitempty"`
}

func differencesOf(findings []grafana.Finding) []difference {
	out := make([]difference, 0, len(findings))
	for _, f := range findings {
		out = append(out, difference{f.What, f.UID, f.Title, f.State, f.Changes})
	}
	return out
}

func printStandings(w io.Writer, findings []grafana.Finding) {
	same, all := map[string]int{}, map[string]int{}
	for _, f := range findings {
		all[f.What]++
		if f.State == grafana.Same {
			same[f.What]++
			continue
		}
		fmt.Fprintf(w, "%s  %s: %s\n", f.UID, f.Title, meaning(f))
		panel := ""
		for _, c := range f.Changes {
			if c.Panel != panel {
				panel = c.Panel
				fmt.Fprintf(w, "  %s\n", panel)
			}
			indent := "  "
			if panel != "" {
				indent = "    "
			}
			fmt.Fprintf(w, "%s%s\n", indent, c)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(w, "%d of %d %ss are as a push would leave them.\n", same[what], all[what], what)
	}
}

// meaning says what a board's state is.
func meaning(f grafana.Finding) string {
	switch f.State {
	case grafana.Missing:
		return "not in Grafana; a push makes it"
	case grafana.Obsolete:
		return "as it was pushed, and no longer made; a push removes it"
	case grafana.Outdated:
		if len(f.Changes) == 0 {
			return "the same; a push only notes that it is ours"
		}
		return "as it was pushed; a push would change:"
	case grafana.Foreign:
		return "not pushed from here, and it differs:"
	case grafana.KeptElse:
		return "pushed from a file that 'pull' wrote (give its folder with --with); it differs from what is generated:"
	case grafana.Provisioned:
		return "from a provisioning file of Grafana's; a push leaves it"
	case grafana.ByHand:
		if f.Newer {
			return "changed by hand; the differences hold also what is new in what is generated:"
		}
		return "changed by hand:"
	}
	return string(f.State)
}

type dashboardsPull struct {
	grafanaFlags
	sourceOfBoards
	Out string `required:"" type:"path" help:"Folder that is written to; give it to push and render with --with." placeholder:"DIR"`
}

// Help is kong's detailed help.
func (dashboardsPull) Help() string {
	return `Keeps the boards and alert rules that were changed by hand, as they are in Grafana. 'push --with DIR' and
'render --with DIR' then use them instead of the generated ones. To go back to a generated one, remove its file and push with --force.

Examples:
  haidang dashboards pull --out /srv/haidang/boards
  haidang dashboards push --with /srv/haidang/boards`
}

// Run keeps.
func (c *dashboardsPull) Run(ctx context.Context, out *terminal.Output) error {
	server, bundle, err := begin(ctx, c.grafanaFlags, c.sourceOfBoards, out.Stderr)
	if err != nil {
		return err
	}
	kept, err := (&grafana.Publisher{Server: server}).Pull(ctx, bundle)
	if err != nil {
		return err
	}
	if len(kept.Boards)+len(kept.Rules) == 0 {
		fmt.Fprintln(out.Stdout, "Nothing was changed by hand; nothing is written.")
		return nil
	}
	if err := kept.Write(c.Out); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	for _, b := range kept.Boards {
		fmt.Fprintf(out.Stdout, "kept %s.json  %s\n", b.UID, b.Title)
	}
	for _, r := range kept.Rules {
		fmt.Fprintf(out.Stdout, "kept rules/%s.json  %s\n", r.UID, r.Title)
	}
	fmt.Fprintf(out.Stdout, "Now, with the other flags as they are: haidang dashboards push --with %s\n", c.Out)
	return nil
}

type dashboardsRender struct {
	sourceOfBoards
	Out       string `required:"" type:"path" help:"Folder that is written: boards/ and provisioning/." placeholder:"DIR"`
	BoardsAt  string `help:"Where Grafana sees the boards/ of --out, if it is another path." placeholder:"PATH"`
	SourceEnv string `help:"Environment variable of Grafana's that holds the Authorization header for the data source, such as 'Token …'; the secret itself is never written." placeholder:"NAME"`
}

// Help is kong's detailed help.
func (dashboardsRender) Help() string {
	return `Writes what Grafana provisions itself from at its start: boards/FOLDER/*.json, and in provisioning/
dashboards/haidang.yaml, datasources/haidang.yaml and, with InfluxDB or --rules yes, alerting/haidang.yaml. That one also
names the rules that are not to be there any more, since Grafana keeps what leaves a file; --rules no names all of them.
Grafana provisions no playlists: 'push' makes the wall's, and leaves the rest to the files.

Grafana looks for changed boards every minute, and for changed alert rules only when it starts.

Examples:
  haidang dashboards render --out /etc/haidang/grafana
  haidang dashboards render --out /boards --query influxql --source http://127.0.0.1:8086 --influx-bucket city \
    --source-env INFLUX_AUTHORIZATION`
}

// Run writes the files.
func (c *dashboardsRender) Run(ctx context.Context, out *terminal.Output) error {
	if c.SourceToken != "" {
		return errors.New("--source-token (HAIDANG_SOURCE_TOKEN) would be written to a file: give the header to Grafana in an environment variable, and its name in --source-env")
	}
	bundle, err := c.bundle(ctx)
	if err != nil {
		return err
	}
	at := c.BoardsAt
	if at == "" {
		at = c.Out + "/boards"
	}
	files, err := grafana.Render(bundle, grafana.Provisioning{BoardsPath: at, AuthorizationEnv: c.SourceEnv})
	if err != nil {
		return err
	}
	if err := grafana.WriteAll(c.Out, files); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	c.warn(out.Stderr, bundle)
	fmt.Fprintf(out.Stdout, "%s and the provisioning files are in %s\n", contents(bundle), c.Out)
	return nil
}
