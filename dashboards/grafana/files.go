package grafana

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/dashboards"
)

// Pull returns the boards that were changed by hand, as Grafana has them. Boards
// that are as they were pushed, or would be, are not among them: kept, they
// would hide what a newer Hải Đăng makes of them.
func (p *Publisher) Pull(ctx context.Context, b Bundle) ([]Board, error) {
	findings, err := p.Inspect(ctx, b)
	if err != nil {
		return nil, err
	}
	var out []Board
	for _, f := range findings {
		if !f.State.Overwrites() {
			continue
		}
		theirs := unstamped(f.live)
		model, err := encode(theirs)
		if err != nil {
			return nil, err
		}
		kept, err := NewBoard(model)
		if err != nil {
			return nil, fmt.Errorf("keep Grafana's version: %w", err)
		}
		kept.Kept = true
		out = append(out, kept)
	}
	return out, nil
}

// unstamped is a model without Grafana's number and version and without our
// stamp; whatever else is in it stays as it is.
func unstamped(m object) object {
	out := without(m, "id", "version")
	templating, _ := m["templating"].(object)
	if list, ok := templating["list"].([]any); ok {
		t := without(templating)
		t["list"] = slices.DeleteFunc(slices.Clone(list), isStamp)
		out["templating"] = t
	}
	return out
}

// encode is how models are written to files: indented, for version control.
func encode(m object) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("encode board: %w", err)
	}
	return b.Bytes(), nil
}

// Keep writes boards to a folder, one file for each, named after its uid.
func Keep(dir string, boards []Board) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	for _, b := range boards {
		if err := write(filepath.Join(dir, b.UID+".json"), b.Model); err != nil {
			return err
		}
	}
	return nil
}

// Kept replaces boards by those that Keep wrote to a folder. A file that is none
// of the bundle's boards is an error: it would silently not be used.
func Kept(dir string, boards []Board) ([]Board, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("read kept boards: %w", err)
	}
	out := slices.Clone(boards)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read kept board: %w", err)
		}
		kept, err := NewBoard(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		i := slices.IndexFunc(out, func(b Board) bool { return b.UID == kept.UID })
		if i < 0 {
			return nil, fmt.Errorf("%s is the board %s, and there is none of this uid: remove the file, or is it of another --lang?", file, kept.UID)
		}
		kept.Kept = true
		out[i] = kept
	}
	return out, nil
}

// Provisioning says where Grafana, perhaps in a container, finds what Render
// writes.
type Provisioning struct {
	// BoardsPath is the folder of the boards as Grafana sees it.
	BoardsPath string
	// SourceURL, if there, is written instead of the data source's address; it
	// may name environment variables of Grafana's, as in http://$HOST:8080.
	SourceURL string
	// AuthorizationEnv is the environment variable of Grafana's that holds the
	// Authorization header; empty for none. The secret itself is never written.
	AuthorizationEnv string
}

// Render makes the files with which Grafana provisions itself, by their names
// below a folder: boards/UID.json, provisioning/dashboards/haidang.yaml and
// provisioning/datasources/haidang.yaml. Grafana provisions no playlists.
func Render(b Bundle, p Provisioning) (map[string][]byte, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	out := map[string][]byte{
		"provisioning/dashboards/haidang.yaml":  []byte(b.provider(p)),
		"provisioning/datasources/haidang.yaml": []byte(b.DataSource.provision(p)),
	}
	for _, board := range b.Boards {
		m, err := parse(board.Model)
		if err != nil {
			return nil, fmt.Errorf("read board %s: %w", board.UID, err)
		}
		if out["boards/"+board.UID+".json"], err = encode(unstamped(m)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const generated = "# Made by `haidang dashboards render`; do not edit.\n"

// provider tells Grafana where the boards are. They are not editable there,
// because the file would win again at the next start.
func (b Bundle) provider(p Provisioning) string {
	return generated + fmt.Sprintf(`apiVersion: 1
providers:
  - name: haidang
    type: file
    folder: %s
    folderUid: %s
    allowUiUpdates: false
    disableDeletion: true
    updateIntervalSeconds: 60
    options:
      path: %s
`, scalar(b.Folder.Title), scalar(b.Folder.UID), scalar(p.BoardsPath))
}

// provision is the data source as a provisioning file.
func (d DataSource) provision(p Provisioning) string {
	address := scalar(d.URL)
	if p.SourceURL != "" {
		address = quoted(p.SourceURL)
	}
	d.Authorization = p.AuthorizationEnv
	options, _ := d.options()
	var s strings.Builder
	s.WriteString(generated)
	fmt.Fprintf(&s, `apiVersion: 1
datasources:
  - name: %s
    uid: %s
    type: %s
    access: proxy
    url: %s
    editable: false
`, scalar(d.Name), scalar(d.UID), d.kind(), address)
	if d.Language == dashboards.InfluxQL {
		fmt.Fprintf(&s, "    database: %s\n", scalar(d.Database))
	}
	s.WriteString("    jsonData:\n")
	for _, k := range keys(options, nil) {
		fmt.Fprintf(&s, "      %s: %s\n", k, scalar(fmt.Sprint(options[k])))
	}
	if p.AuthorizationEnv != "" {
		fmt.Fprintf(&s, "    secureJsonData:\n      httpHeaderValue1: %s\n", quoted("$"+p.AuthorizationEnv))
	}
	return s.String()
}

// scalar is text as YAML, where Grafana replaces no variable.
func scalar(text string) string { return quoted(strings.ReplaceAll(text, "$", "$$")) }

// quoted is text as YAML: JSON's strings are YAML's.
func quoted(s string) string { return text(s) }

// WriteAll writes what Render made, and removes boards from an earlier time that
// are no longer made. Files that are as they should be are not touched.
func WriteAll(dir string, files map[string][]byte) error {
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		old, err := os.ReadFile(file)
		if err == nil && bytes.Equal(old, content) {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read what is there: %w", err)
		}
		if err := write(file, content); err != nil {
			return err
		}
	}
	old, err := filepath.Glob(filepath.Join(dir, "boards", "*.json"))
	if err != nil {
		return fmt.Errorf("list boards: %w", err)
	}
	for _, file := range old {
		if files["boards/"+filepath.Base(file)] == nil {
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("remove old board: %w", err)
			}
		}
	}
	return nil
}

// write writes a file whole or not at all.
func write(file string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".haidang-*")
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	defer os.Remove(temp.Name()) // gone already if all went well
	_, err = temp.Write(content)
	// Readable by Grafana, which is another user.
	if err = errors.Join(err, temp.Chmod(0o644), temp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return nil
}
