package grafana

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// State is how a board or an alert rule in Grafana stands to the one that would be
// pushed.
type State string

// The states of a board or an alert rule.
const (
	Missing     State = "missing"     // not in Grafana
	Same        State = "same"        // a push changes nothing
	Outdated    State = "outdated"    // as we pushed it; we would push another one now
	ByHand      State = "by hand"     // changed in Grafana since we pushed it
	KeptElse    State = "kept"        // pushed from a file of pull, which is not given now
	Foreign     State = "foreign"     // has our uid, but we never pushed it
	Provisioned State = "provisioned" // from a file in Grafana's provisioning folder
	Obsolete    State = "obsolete"    // an alert rule as we pushed it, which is no longer made
)

// Overwrites reports whether a push would lose somebody's work.
func (s State) Overwrites() bool { return s == ByHand || s == KeptElse || s == Foreign }

// What a Finding is about.
const (
	isBoard = "board"
	isRule  = "alert rule"
)

// Finding is what Inspect found of a board or an alert rule.
type Finding struct {
	What       string // board or alert rule
	UID, Title string
	State      State
	// Changes lead from what would be pushed to what is in Grafana, as somebody
	// would have to make them by hand. If State is Outdated they lead the other
	// way: to what a push would make of it.
	Changes []Change
	// Newer says that what would be pushed has changed since the last push as
	// well, so that Changes holds the differences of both.
	Newer bool

	live object // Grafana's model, nil if there is none

	board     Board
	set       int    // whose board it is
	version   int    // in Grafana
	folderUID string // where the board is there

	rule liveRule
}

// ByHandError says that a push would lose what was changed by hand.
type ByHandError struct {
	Findings []Finding // those that stand in the way
}

// Error lists them.
func (e *ByHandError) Error() string {
	var b strings.Builder
	b.WriteString("nothing was pushed, because it would overwrite what was made in Grafana:")
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n  %s %s %q: ", f.What, f.UID, f.Title)
		switch f.State {
		case Foreign:
			fmt.Fprintf(&b, "this %s was not pushed from here", f.What)
		case KeptElse:
			b.WriteString("it was pushed from a file that `pull` wrote; give its folder again with --with")
		default:
			fmt.Fprintf(&b, "changed by hand, differences: %d", len(f.Changes))
		}
	}
	b.WriteString("\n  → Look with `haidang dashboards diff`; keep their version with `haidang dashboards pull`; or overwrite it with --force.")
	return b.String()
}

// Inspect compares the bundle's boards and alert rules with Grafana's. Nothing is
// changed.
func (p *Publisher) Inspect(ctx context.Context, b Bundle) ([]Finding, error) {
	boards, alerts, err := p.look(ctx, b)
	return append(boards, alerts.findings...), err
}

func (p *Publisher) look(ctx context.Context, b Bundle) (boards []Finding, alerts foundAlerts, err error) {
	if err := b.Check(); err != nil {
		return nil, alerts, err
	}
	for i, set := range b.Sets {
		for _, board := range set.Boards {
			f, err := p.inspect(ctx, board)
			if err != nil {
				return nil, alerts, fmt.Errorf("look at board %s: %w", board.UID, err)
			}
			f.set = i
			boards = append(boards, f)
		}
	}
	if alerts, err = p.lookAtAlerts(ctx, b.Alerts); err != nil {
		return nil, alerts, fmt.Errorf("look at alert rules: %w", err)
	}
	return boards, alerts, nil
}

func (p *Publisher) inspect(ctx context.Context, board Board) (Finding, error) {
	f := Finding{What: isBoard, UID: board.UID, Title: board.Title, State: Missing, board: board}
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
	f.folderUID = answer.Meta.FolderUID
	version, _ := f.live["version"].(float64)
	f.version = cmp.Or(int(version), answer.Meta.Version)
	stamp, ok := readStamp(f.live)
	f.State, f.Newer = standing(stamp, ok, fingerprint(made), fingerprint(f.live), board.Kept)
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

// standing is the state of what is in Grafana, from its stamp and the fingerprints
// of what would be pushed and of what is there; and whether ours has changed since
// it was pushed.
func standing(stamp Stamp, stamped bool, ours, theirs string, kept bool) (state State, newer bool) {
	newer = stamped && stamp.Made != ours
	switch {
	case stamped && stamp.Saved == theirs && stamp.Made == ours:
		return Same, false
	case ours == theirs:
		return Outdated, newer // only the stamp is missing or of another push
	case !stamped:
		return Foreign, false
	case stamp.Saved != theirs:
		return ByHand, newer
	case stamp.Kept && !kept:
		return KeptElse, newer
	}
	return Outdated, newer
}
