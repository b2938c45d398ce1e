package grafana

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"github.com/haidang-iot/haidang/dashboards"
)

// Bundle is what is published together.
type Bundle struct {
	DataSource DataSource
	Sets       []Set
	Alerts     Alerts
}

// Set is what is there once for each language of the boards.
type Set struct {
	Folder   Folder
	Boards   []Board
	Playlist Playlist
}

// Folder is where boards or alert rules are.
type Folder struct {
	UID, Title string
}

func (f Folder) check() error {
	if !uidForm.MatchString(f.UID) || f.Title == "" {
		return fmt.Errorf("the folder %q with the uid %q: a title is needed, and a uid of 1 to 40 letters, digits, - and _", f.Title, f.UID)
	}
	return nil
}

// DataSource is where the boards' panels read. Boards refer to it by its uid.
type DataSource struct {
	UID, Name string
	Language  dashboards.Language
	// URL as Grafana reaches it, such as http://127.0.0.1:8080/prometheus.
	URL string
	// AnyURL says that nobody chose URL: a data source that Grafana already has
	// keeps its own.
	AnyURL bool
	// Database is the bucket or database of InfluxQL.
	Database string
	// Authorization is the value of the header that Grafana sends, such as
	// "Bearer …" to Hải Đăng or "Token …" to InfluxDB 2. Empty: none, and one
	// that Grafana already has is kept. Grafana stores it encrypted.
	Authorization string
}

// Board is one dashboard.
type Board struct {
	UID, Title string
	// Model is the dashboard's JSON. Its uid and title are those above.
	Model json.RawMessage
	// Kept says that the model is one that was changed by hand and kept (Pull),
	// not what this program would make.
	Kept bool
}

// Playlist shows boards in turn, for the wall. Without a name there is none.
type Playlist struct {
	// UID is used where Grafana takes one (13); older ones choose it
	// themselves, and the playlist is found by its name.
	UID, Name string
	// Interval is how long each board is shown, such as 30s or 1m.
	Interval string
	Boards   []string // uids
}

// NewBoard reads uid and title of a model.
func NewBoard(model []byte) (Board, error) {
	var m struct {
		UID   string `json:"uid"`
		Title string `json:"title"`
	}
	if err := json.Unmarshal(model, &m); err != nil {
		return Board{}, fmt.Errorf("read board: %w", err)
	}
	b := Board{UID: m.UID, Title: m.Title, Model: bytes.Clone(model)}
	return b, b.check()
}

// uidForm is what Grafana takes as a uid.
var uidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

func (b Board) check() error {
	if !uidForm.MatchString(b.UID) {
		return fmt.Errorf("the board %q has the uid %q: Grafana takes 1 to 40 letters, digits, - and _", b.Title, b.UID)
	}
	if b.Title == "" {
		return fmt.Errorf("the board %s has no title: Grafana demands one", b.UID)
	}
	m, err := parse(b.Model)
	if err != nil {
		return fmt.Errorf("the board %s is no JSON object: %w", b.UID, err)
	}
	if m["uid"] != b.UID || m["title"] != b.Title {
		return fmt.Errorf("the board %s says in its model that it is %v, %v", b.UID, m["uid"], m["title"])
	}
	return nil
}

// Check reports what Grafana would refuse, before anything is sent.
func (b Bundle) Check() error {
	if err := b.DataSource.check(); err != nil {
		return err
	}
	folders, uids := map[string]bool{}, map[string]bool{}
	for _, set := range b.Sets {
		if err := set.check(uids); err != nil {
			return err
		}
		if folders[set.Folder.UID] || folders[set.Folder.Title] {
			return fmt.Errorf("two sets of boards are for the folder %s, %q", set.Folder.UID, set.Folder.Title)
		}
		folders[set.Folder.UID], folders[set.Folder.Title] = true, true
	}
	return b.Alerts.check(folders)
}

// check checks a set; uids are those of the boards of the sets before it.
func (s Set) check(uids map[string]bool) error {
	if err := s.Folder.check(); err != nil {
		return err
	}
	titles, here := map[string]string{}, map[string]bool{}
	for _, board := range s.Boards {
		if err := board.check(); err != nil {
			return err
		}
		if uids[board.UID] {
			return fmt.Errorf("two boards have the uid %s", board.UID)
		}
		if other, ok := titles[board.Title]; ok {
			return fmt.Errorf("the boards %s and %s are both called %q: Grafana takes a title once in a folder", other, board.UID, board.Title)
		}
		titles[board.Title], uids[board.UID], here[board.UID] = board.UID, true, true
	}
	for _, uid := range s.Playlist.Boards {
		if !here[uid] {
			return fmt.Errorf("the playlist %q shows the board %s, which is not among those published", s.Playlist.Name, uid)
		}
	}
	return nil
}

func (d DataSource) check() error {
	if !uidForm.MatchString(d.UID) || d.Name == "" {
		return fmt.Errorf("the data source %q with the uid %q: a name is needed, and a uid of 1 to 40 letters, digits, - and _", d.Name, d.UID)
	}
	u, err := url.Parse(d.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("--source, the data source's address, should be like http://127.0.0.1:8080/prometheus, as Grafana reaches it, without a user or password")
	}
	switch {
	case d.Language != dashboards.PromQL && d.Language != dashboards.InfluxQL:
		return fmt.Errorf("the data source's language is %q: it is promql or influxql", d.Language)
	case d.Language == dashboards.InfluxQL && d.Database == "":
		return errors.New("a data source of InfluxDB needs the name of its bucket or database: give it with --influx-bucket (INFLUX_BUCKET)")
	}
	return nil
}
