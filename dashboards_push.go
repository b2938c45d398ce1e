package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

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
	if err == nil && f.GrafanaToken != "" && u.Scheme == "http" && !thisMachine(u.Hostname()) && !f.Plain {
		return nil, fmt.Errorf("--grafana %s is not encrypted, and the token would cross the network for all to read: give an https:// address, or --plain if that network is yours alone", redact(f.Grafana))
	}
	client, err := clientFlags{CA: f.GrafanaCA}.client()
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
	Lang        string `enum:"vi,en" default:"vi" help:"Language of the boards: vi or en. Each has boards, a folder and a wall of its own." placeholder:"vi"`
	Folder      string `help:"Title of the folder in Grafana." default:"Hải Đăng" placeholder:"TITLE"`
	Source      string `help:"Where the boards read, as Grafana reaches it: the city's /prometheus, VictoriaMetrics, or InfluxDB." default:"http://127.0.0.1:8080/prometheus" placeholder:"URL"`
	DataSource  string `name:"datasource" help:"uid of the data source in Grafana." default:"haidang" placeholder:"UID"`
	SourceName  string `help:"Name of the data source in Grafana." default:"Hải Đăng" placeholder:"NAME"`
	SourceToken string `env:"HAIDANG_SOURCE_TOKEN" help:"Token that Grafana shows there: an API token of the city, or InfluxDB's; kept encrypted in Grafana. Better given in the environment." placeholder:"SECRET"`
	Query       string `enum:"promql,influxql" default:"promql" help:"Language of the store: promql (embedded, VictoriaMetrics) or influxql (InfluxDB)." placeholder:"promql"`
	Bucket      string `name:"influx-bucket" env:"INFLUX_BUCKET" help:"With --query influxql: the bucket or database." placeholder:"NAME"`
	With        string `type:"path" help:"Folder of boards that 'pull' kept; they are used instead of the generated ones." placeholder:"DIR"`
}

// suffix is what the language adds to uids.
func (f sourceOfBoards) suffix() string {
	if f.Lang == "en" {
		return "-en"
	}
	return ""
}

// wallName is what the playlist is called after its folder.
func (f sourceOfBoards) wallName() string {
	if f.Lang == "en" {
		return " – wall"
	}
	return " – màn hình lớn"
}

// bundle is what is to be published.
func (f sourceOfBoards) bundle(ctx context.Context) (grafana.Bundle, error) {
	b := grafana.Bundle{
		Folder: grafana.Folder{UID: "haidang" + f.suffix(), Title: f.Folder},
		DataSource: grafana.DataSource{
			UID: f.DataSource, Name: f.SourceName, Language: dashboards.Language(f.Query), URL: f.Source,
		},
	}
	if f.suffix() != "" && f.Folder == "Hải Đăng" {
		b.Folder.Title += " (English)" // Grafana takes a title once
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
	models, wall, err := boardModels(province, f.Lang, f.Query, f.DataSource)
	if err != nil {
		return b, err
	}
	for _, m := range models {
		board, err := grafana.NewBoard(m.text)
		if err != nil {
			return b, err
		}
		b.Boards = append(b.Boards, board)
	}
	if len(wall) > 0 {
		b.Playlist = grafana.Playlist{UID: "haidang-wall" + f.suffix(), Name: b.Folder.Title + f.wallName(), Interval: dashboards.WallInterval.String(), Boards: wall}
	}
	if f.With != "" {
		if b.Boards, err = grafana.Kept(f.With, b.Boards); err != nil {
			return b, fmt.Errorf("--with: %w", err)
		}
	}
	return b, b.Check()
}

type dashboardsPush struct {
	grafanaFlags
	sourceOfBoards
	Force    bool `help:"Overwrite what was changed by hand in Grafana."`
	DryRun   bool `help:"Say what would be done, and change nothing."`
	NoSource bool `help:"Leave the data source alone; then a token of the role Editor is enough."`
}

// Help is kong's detailed help.
func (dashboardsPush) Help() string {
	return `Makes a folder, a data source, the boards and a playlist for the wall. Run it again at any time: it
changes only what differs. A board that somebody changed in Grafana is not overwritten without --force.

Examples:
  HAIDANG_GRAFANA_TOKEN=… haidang dashboards push
  haidang dashboards push --grafana https://grafana.example.vn --source https://haidang.example.vn/prometheus
  haidang dashboards push --source http://127.0.0.1:8086 --query influxql --influx-bucket city
  haidang dashboards push --url http://127.0.0.1:8080 --lang en --dry-run    names of sites from the city`
}

// Run publishes.
func (c *dashboardsPush) Run(ctx context.Context, out *output) error {
	server, bundle, err := begin(ctx, c.grafanaFlags, c.sourceOfBoards, out.stderr)
	if err != nil {
		return err
	}
	if c.Force && !c.DryRun {
		fmt.Fprintln(out.stderr, "With --force: what was changed by hand is overwritten. Grafana keeps it in each board's version history.")
	}
	p := &grafana.Publisher{Server: server, Force: c.Force, DryRun: c.DryRun, NoSource: c.NoSource}
	wall := ""
	p.Tell = func(s grafana.Step) {
		printStep(out.stdout, s, c.DryRun)
		if s.What == "playlist" && s.UID != "" {
			wall = server.WallURL(s.UID)
		}
	}
	if err := p.Push(ctx, bundle); err != nil {
		return err
	}
	if wall != "" && !c.DryRun {
		fmt.Fprintf(out.stdout, "\nThe wall: %s\n", wall)
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
	fmt.Fprintf(stderr, "Grafana %s at %s: looking at %d boards …\n", version, redact(g.Grafana), len(bundle.Boards))
	return server, bundle, nil
}

func printStep(w io.Writer, s grafana.Step, dry bool) {
	done := s.Done
	if dry && (done == "created" || done == "updated") {
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
	return `Shows what somebody changed in Grafana since the last push, panel by panel, and what a push would change.
Exit code 1 if a push would overwrite somebody's work.

Examples:
  haidang dashboards diff
  haidang dashboards diff --lang en --json`
}

// Run compares.
func (c *dashboardsDiff) Run(ctx context.Context, out *output) error {
	server, bundle, err := begin(ctx, c.grafanaFlags, c.sourceOfBoards, out.stderr)
	if err != nil {
		return err
	}
	findings, err := (&grafana.Publisher{Server: server}).Inspect(ctx, bundle)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(out.stdout, differencesOf(findings))
	} else {
		printStandings(out.stdout, findings)
	}
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.State.Overwrites() {
			return exitCode(1)
		}
	}
	return nil
}

// boardDifferences is a board's part of diff --json.
type boardDifferences struct {
	UID     string           `json:"uid"`
	Title   string           `json:"title"`
	State   grafana.State    `json:"state"`
	Changes []grafana.Change `json:"changes,omitempty"`
}

func differencesOf(findings []grafana.Finding) []boardDifferences {
	out := make([]boardDifferences, 0, len(findings))
	for _, f := range findings {
		out = append(out, boardDifferences{f.Board.UID, f.Board.Title, f.State, f.Changes})
	}
	return out
}

func printStandings(w io.Writer, findings []grafana.Finding) {
	same := 0
	for _, f := range findings {
		if f.State == grafana.Same {
			same++
			continue
		}
		fmt.Fprintf(w, "%s  %s: %s\n", f.Board.UID, f.Board.Title, meaning(f))
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
	fmt.Fprintf(w, "%d of %d boards are as a push would leave them.\n", same, len(findings))
}

// meaning says what a board's state is.
func meaning(f grafana.Finding) string {
	switch f.State {
	case grafana.Missing:
		return "not in Grafana; a push makes it"
	case grafana.Outdated:
		if len(f.Changes) == 0 {
			return "the same; a push only notes that it is ours"
		}
		return "as it was pushed; a push would change:"
	case grafana.Foreign:
		return "not pushed from here, and it differs:"
	case grafana.KeptElse:
		return "pushed from a file that 'pull' wrote (give its folder with --with); it differs from the generated board:"
	case grafana.Provisioned:
		return "from a provisioning file of Grafana's; a push leaves it"
	case grafana.ByHand:
		if f.Newer {
			return "changed by hand; the differences hold also what is new in the generated board:"
		}
		return "changed by hand:"
	}
	return string(f.State)
}

type dashboardsPull struct {
	grafanaFlags
	sourceOfBoards
	Out string `required:"" type:"path" help:"Folder that the boards are written to; give it to push and render with --with." placeholder:"DIR"`
}

// Help is kong's detailed help.
func (dashboardsPull) Help() string {
	return `Keeps the boards that were changed by hand, as they are in Grafana. 'push --with DIR' and
'render --with DIR' then use them instead of the generated ones, until their files are removed.

Example:
  haidang dashboards pull --out /srv/haidang/boards
  haidang dashboards push --with /srv/haidang/boards`
}

// Run keeps.
func (c *dashboardsPull) Run(ctx context.Context, out *output) error {
	server, bundle, err := begin(ctx, c.grafanaFlags, c.sourceOfBoards, out.stderr)
	if err != nil {
		return err
	}
	kept, err := (&grafana.Publisher{Server: server}).Pull(ctx, bundle)
	if err != nil {
		return err
	}
	if len(kept) == 0 {
		fmt.Fprintln(out.stdout, "Nothing was changed by hand; nothing is written.")
		return nil
	}
	if err := grafana.Keep(c.Out, kept); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	for _, b := range kept {
		fmt.Fprintf(out.stdout, "kept %s.json  %s\n", b.UID, b.Title)
	}
	fmt.Fprintf(out.stdout, "Now: haidang dashboards push --with %s\n", c.Out)
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
	return `Writes what Grafana provisions itself from at its start: boards/*.json, provisioning/dashboards/haidang.yaml
and provisioning/datasources/haidang.yaml. Grafana provisions no playlists: 'push' makes the wall's, and leaves
the boards to the files.

Examples:
  haidang dashboards render --out /etc/haidang/grafana
  haidang dashboards render --out /boards --query influxql --source http://127.0.0.1:8086 --influx-bucket city \
    --source-env INFLUX_AUTHORIZATION`
}

// Run writes the files.
func (c *dashboardsRender) Run(ctx context.Context, out *output) error {
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
	fmt.Fprintf(out.stdout, "%d boards and the provisioning files are in %s\n", len(bundle.Boards), c.Out)
	return nil
}
