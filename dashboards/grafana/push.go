package grafana

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/grafana-tools/sdk"
)

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
	What string // folder, data source, board, playlist, alert rules, alert rule
	Name string
	UID  string
	// Done is created, updated, removed, unchanged or left; with left, Why.
	Done, Why string
	// Number of Of, for progress.
	Number, Of int
}

// What was done.
const (
	created   = "created"
	updated   = "updated"
	removed   = "removed"
	unchanged = "unchanged"
	left      = "left"
)

// task does one step, or with DryRun says what it would do.
type task func(context.Context) (Step, error)

// Push makes Grafana have what is in the bundle. What is there already is left
// alone. If somebody changed one of the boards or alert rules by hand nothing is
// pushed at all and the error is a *ByHandError, unless Force is set.
func (p *Publisher) Push(ctx context.Context, b Bundle) error {
	boards, alerts, err := p.look(ctx, b)
	if err != nil {
		return err
	}
	// First: to who forgot --query everything looks changed, and --force would be
	// the wrong remedy.
	if err := p.checkSource(ctx, b.DataSource); err != nil {
		return err
	}
	var lost []Finding
	for _, f := range slices.Concat(boards, alerts.findings) {
		if f.State.Overwrites() {
			lost = append(lost, f)
		}
	}
	if len(lost) > 0 && !p.Force {
		return &ByHandError{lost}
	}
	// What is no longer made goes before the data source that it asks may change
	// its language, or it would ring.
	tasks := p.removals(b.Alerts, alerts)
	tasks = append(tasks, func(ctx context.Context) (Step, error) { return p.pushSource(ctx, b.DataSource) })
	for i, set := range b.Sets {
		tasks = append(tasks, p.setTasks(set, boards, i)...)
	}
	tasks = append(tasks, p.alertTasks(b.Alerts, alerts)...)
	for i, do := range tasks {
		s, err := do(ctx)
		if err != nil {
			return fmt.Errorf("push %s %q: %w", s.What, s.Name, err)
		}
		s.Number, s.Of = i+1, len(tasks)
		if p.Tell != nil {
			p.Tell(s)
		}
	}
	return nil
}

// setTasks make a set's folder, boards and playlist; of the findings they take
// those of this set.
func (p *Publisher) setTasks(set Set, findings []Finding, number int) []task {
	tasks := []task{func(ctx context.Context) (Step, error) { return p.pushFolder(ctx, set.Folder) }}
	for _, f := range findings {
		if f.set == number {
			tasks = append(tasks, func(ctx context.Context) (Step, error) { return p.pushBoard(ctx, set.Folder, f) })
		}
	}
	if set.Playlist.Name != "" {
		tasks = append(tasks, func(ctx context.Context) (Step, error) { return p.pushPlaylist(ctx, set.Playlist) })
	}
	return tasks
}

func (p *Publisher) pushFolder(ctx context.Context, f Folder) (Step, error) {
	s := Step{What: "folder", Name: f.Title, UID: f.UID, Done: unchanged}
	live, err := p.Server.sdk.GetFolderByUID(ctx, f.UID)
	switch {
	case refusedWith(err, http.StatusNotFound):
		s.Done, err = created, nil
		if !p.DryRun {
			_, err = p.Server.sdk.CreateFolder(ctx, sdk.Folder{UID: f.UID, Title: f.Title})
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
		return s, p.Server.unreached(err)
	}
	return s, nil
}

func (p *Publisher) pushBoard(ctx context.Context, folder Folder, f Finding) (Step, error) {
	s := Step{What: isBoard, Name: f.Title, UID: f.UID, Done: updated}
	switch {
	case f.State == Provisioned:
		s.Done, s.Why = left, "Grafana has it from a provisioning file; render that file anew"
	case f.State == Missing:
		s.Done = created
	case f.State == Same && f.folderUID == folder.UID:
		s.Done = unchanged
	}
	if s.Done == left || s.Done == unchanged || p.DryRun {
		return s, nil
	}
	return s, p.saveBoard(ctx, folder, f)
}

// saveBoard saves a board and looks at what Grafana made of it, so that the
// stamp is true.
func (p *Publisher) saveBoard(ctx context.Context, folder Folder, f Finding) error {
	model, err := parse(f.board.Model)
	if err != nil {
		return fmt.Errorf("read model: %w", err)
	}
	print := fingerprint(model)
	stamp := Stamp{Made: print, Saved: print, Kept: f.board.Kept}
	for range 2 {
		if f.version, err = p.save(ctx, folder, f.board, stamped(model, stamp), f.version); err != nil {
			return err
		}
		after, err := p.inspect(ctx, f.board)
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

// saveAttempts is how often a save is tried that Grafana refuses although nobody
// else has saved.
const saveAttempts = 5

// save saves one model over the version that was seen, 0 for none, and returns
// the new one. Where Grafana's SQLite was locked, as by its own alert rules, it
// tries again by itself and then takes its first attempt for somebody else's: it
// answers 412 and has saved nothing. Whether somebody has, the version tells.
func (p *Publisher) save(ctx context.Context, folder Folder, board Board, model object, version int) (int, error) {
	delete(model, "id")
	model["version"] = version
	var answer struct {
		Version int `json:"version"`
	}
	for attempt := 1; ; attempt++ {
		err := p.Server.ask(ctx, http.MethodPost, "/api/dashboards/db", object{
			"dashboard": model, "folderUid": folder.UID, "overwrite": false, "message": "haidang dashboards push",
		}, &answer)
		if !refusedWith(err, http.StatusPreconditionFailed) || attempt == saveAttempts {
			return answer.Version, err
		}
		if now, lookErr := p.inspect(ctx, board); lookErr != nil || now.version != version {
			return 0, err
		}
	}
}
