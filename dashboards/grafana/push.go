package grafana

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/grafana-tools/sdk"
)

// State is how a board in Grafana stands to the one that would be pushed.
type State string

// The states of a board.
const (
	Missing     State = "missing"     // not in Grafana
	Same        State = "same"        // a push changes nothing
	Outdated    State = "outdated"    // as we pushed it; we would push another one now
	ByHand      State = "by hand"     // changed in Grafana since we pushed it
	KeptElse    State = "kept"        // pushed from a file of pull, which is not given now
	Foreign     State = "foreign"     // has our uid, but we never pushed it
	Provisioned State = "provisioned" // from a file in Grafana's provisioning folder
)

// Overwrites reports whether a push would lose somebody's work.
func (s State) Overwrites() bool { return s == ByHand || s == KeptElse || s == Foreign }

// Finding is what Inspect found of a board.
type Finding struct {
	Board Board
	State State
	// Live is Grafana's model, nil if there is none.
	Live json.RawMessage
	// Changes lead from the board that would be pushed to Grafana's, as somebody
	// would have to make them by hand. If State is Outdated they lead the other
	// way: to what a push would make of it.
	Changes []Change
	// Newer says that what would be pushed has changed since the last push as
	// well, so that Changes holds the differences of both.
	Newer bool

	live      object
	version   int
	folderUID string
}

// Publisher publishes to one Grafana.
type Publisher struct {
	Server *Server
	// Force overwrites what was changed by hand.
	Force bool
	// DryRun changes nothing.
	DryRun bool
	// NoSource leaves the data source alone.
	NoSource bool
	// Tell is called after each step; nil is silent.
	Tell func(Step)
}

// Step is one thing that was done, or with DryRun would be.
type Step struct {
	What string // folder, data source, board, playlist
	Name string
	UID  string
	// Done is created, updated, unchanged or left; with left, Why.
	Done, Why string
	// Number of Of, for progress.
	Number, Of int
}

// ByHandError says that a push would lose what was changed by hand.
type ByHandError struct {
	Findings []Finding // those that stand in the way
}

// Error lists the boards.
func (e *ByHandError) Error() string {
	var b strings.Builder
	b.WriteString("nothing was pushed, because it would overwrite what was made in Grafana:")
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n  %s %q: ", f.Board.UID, f.Board.Title)
		switch f.State {
		case Foreign:
			b.WriteString("a board with this uid was not pushed from here")
		case KeptElse:
			b.WriteString("it was pushed from a file that `pull` wrote; give its folder again with --with")
		default:
			fmt.Fprintf(&b, "changed by hand, %d differences", len(f.Changes))
		}
	}
	b.WriteString("\n  → Look with `haidang dashboards diff`; keep their version with `haidang dashboards pull`; or overwrite it with --force.")
	return b.String()
}

// Inspect compares the bundle's boards with Grafana's.
func (p *Publisher) Inspect(ctx context.Context, b Bundle) ([]Finding, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	out := make([]Finding, 0, len(b.Boards))
	for _, board := range b.Boards {
		f, err := p.inspect(ctx, board)
		if err != nil {
			return nil, fmt.Errorf("look at board %s: %w", board.UID, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func (p *Publisher) inspect(ctx context.Context, board Board) (Finding, error) {
	f := Finding{Board: board, State: Missing}
	var answer struct {
		Dashboard json.RawMessage `json:"dashboard"`
		Meta      struct {
			FolderUID   string `json:"folderUid"`
			Provisioned bool   `json:"provisioned"`
			Version     int    `json:"version"`
		} `json:"meta"`
	}
	err := p.Server.ask(ctx, http.MethodGet, "/api/dashboards/uid/"+board.UID, nil, &answer)
	if refusedWith(err, http.StatusNotFound) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if f.live, err = parse(answer.Dashboard); err != nil {
		return f, fmt.Errorf("read Grafana's model: %w", err)
	}
	made, err := parse(board.Model)
	if err != nil {
		return f, fmt.Errorf("read model: %w", err)
	}
	f.Live, f.folderUID = answer.Dashboard, answer.Meta.FolderUID
	version, _ := f.live["version"].(float64)
	f.version = cmp.Or(int(version), answer.Meta.Version)
	f.State, f.Newer = standing(made, f.live, board.Kept)
	if answer.Meta.Provisioned {
		f.State = Provisioned
	}
	if f.State == Outdated {
		f.Changes = Compare(f.live, made)
	} else {
		f.Changes = Compare(made, f.live)
	}
	return f, nil
}

// standing is the state of a board that is in Grafana, and whether ours has
// changed since it was pushed.
func standing(made, live object, kept bool) (state State, newer bool) {
	stamp, ok := readStamp(live)
	ours, theirs := fingerprint(made), fingerprint(live)
	newer = ok && stamp.Made != ours
	switch {
	case ok && stamp.Saved == theirs && stamp.Made == ours:
		return Same, false
	case ours == theirs:
		return Outdated, newer // only the stamp is missing or of another push
	case !ok:
		return Foreign, false
	case stamp.Saved != theirs:
		return ByHand, newer
	case stamp.Kept && !kept:
		return KeptElse, newer
	}
	return Outdated, newer
}

// Push makes Grafana have what is in the bundle. What is there already is left
// alone. If somebody changed one of the boards by hand nothing is pushed at all
// and the error is a *ByHandError, unless Force is set.
func (p *Publisher) Push(ctx context.Context, b Bundle) error {
	findings, err := p.Inspect(ctx, b)
	if err != nil {
		return err
	}
	var lost []Finding
	for _, f := range findings {
		if f.State.Overwrites() {
			lost = append(lost, f)
		}
	}
	if len(lost) > 0 && !p.Force {
		return &ByHandError{lost}
	}
	n := &counter{tell: p.Tell, of: 2 + len(findings)}
	if b.Playlist.Name != "" {
		n.of++
	}
	if err := p.pushFolder(ctx, b.Folder, n); err != nil {
		return fmt.Errorf("push folder %q: %w", b.Folder.Title, err)
	}
	if err := p.pushSource(ctx, b.DataSource, n); err != nil {
		return fmt.Errorf("push data source %q: %w", b.DataSource.Name, err)
	}
	for _, f := range findings {
		if err := p.pushBoard(ctx, b.Folder, f, n); err != nil {
			return fmt.Errorf("push board %s: %w", f.Board.UID, err)
		}
	}
	if b.Playlist.Name != "" {
		if err := p.pushPlaylist(ctx, b.Playlist, n); err != nil {
			return fmt.Errorf("push playlist %q: %w", b.Playlist.Name, err)
		}
	}
	return nil
}

// counter tells of steps with their number.
type counter struct {
	tell   func(Step)
	number int
	of     int
}

func (c *counter) step(s Step) {
	c.number++
	s.Number, s.Of = c.number, c.of
	if c.tell != nil {
		c.tell(s)
	}
}

// What was done.
const (
	created   = "created"
	updated   = "updated"
	unchanged = "unchanged"
	left      = "left"
)

func (p *Publisher) pushFolder(ctx context.Context, f Folder, n *counter) error {
	s := Step{What: "folder", Name: f.Title, UID: f.UID, Done: unchanged}
	live, err := p.Server.sdk.GetFolderByUID(ctx, f.UID)
	switch {
	case refusedWith(err, http.StatusNotFound):
		s.Done = created
		if !p.DryRun {
			_, err = p.Server.sdk.CreateFolder(ctx, sdk.Folder{UID: f.UID, Title: f.Title})
		} else {
			err = nil
		}
	case err == nil && live.Title != f.Title && !p.Force:
		s.Done, s.Why = left, fmt.Sprintf("it is called %q there; --force renames it", shown(live.Title, 80))
	case err == nil && live.Title != f.Title:
		s.Done = updated
		if !p.DryRun {
			live.Title = f.Title
			_, err = p.Server.sdk.UpdateFolderByUID(ctx, live)
		}
	}
	if err != nil {
		return p.Server.unreached(err)
	}
	n.step(s)
	return nil
}

func (p *Publisher) pushBoard(ctx context.Context, folder Folder, f Finding, n *counter) error {
	s := Step{What: "board", Name: f.Board.Title, UID: f.Board.UID, Done: updated}
	switch {
	case f.State == Provisioned:
		s.Done, s.Why = left, "Grafana has it from a provisioning file; render that file anew"
	case f.State == Missing:
		s.Done = created
	case f.State == Same && f.folderUID == folder.UID:
		s.Done = unchanged
	}
	if s.Done == left || s.Done == unchanged || p.DryRun {
		n.step(s)
		return nil
	}
	if err := p.saveBoard(ctx, folder, f); err != nil {
		return err
	}
	n.step(s)
	return nil
}

// saveBoard saves a board and looks at what Grafana made of it, so that the
// stamp is true.
func (p *Publisher) saveBoard(ctx context.Context, folder Folder, f Finding) error {
	model, err := parse(f.Board.Model)
	if err != nil {
		return fmt.Errorf("read model: %w", err)
	}
	print := fingerprint(model)
	stamp := Stamp{Made: print, Saved: print, Kept: f.Board.Kept}
	for range 2 {
		if f.version, err = p.save(ctx, folder, stamped(model, stamp), f.version); err != nil {
			return err
		}
		after, err := p.inspect(ctx, f.Board)
		if err != nil {
			return err
		}
		if after.State == Missing {
			return fmt.Errorf("it was saved, but Grafana does not find it")
		}
		saved := fingerprint(after.live)
		if saved == stamp.Saved {
			return nil
		}
		// This version rewrites models; once more, saying what it makes of it.
		stamp.Saved, f.version = saved, after.version
	}
	return fmt.Errorf("this Grafana (%s) makes something else of the same board each time it is saved, so changes by hand cannot be told: report it with the board's JSON", p.Server.Version)
}

// save saves one model over the version that was seen, 0 for none, and returns
// the new one.
func (p *Publisher) save(ctx context.Context, folder Folder, model object, version int) (int, error) {
	delete(model, "id")
	model["version"] = version
	var answer struct {
		Version int `json:"version"`
	}
	err := p.Server.ask(ctx, http.MethodPost, "/api/dashboards/db", object{
		"dashboard": model, "folderUid": folder.UID, "overwrite": false, "message": "haidang dashboards push",
	}, &answer)
	return answer.Version, err
}
