package grafana

import (
	"bytes"
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
// below a folder: boards/FOLDER/UID.json for each folder, and below provisioning
// dashboards/haidang.yaml, datasources/haidang.yaml and, where the bundle has
// alert rules or says which are not to be there, alerting/haidang.yaml. Grafana
// provisions no playlists.
func Render(b Bundle, p Provisioning) (map[string][]byte, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	out := map[string][]byte{
		"provisioning/dashboards/haidang.yaml":  []byte(b.provider(p)),
		"provisioning/datasources/haidang.yaml": []byte(b.DataSource.provision(p)),
	}
	for _, set := range b.Sets {
		for _, board := range set.Boards {
			m, err := parse(board.Model)
			if err != nil {
				return nil, fmt.Errorf("read board %s: %w", board.UID, err)
			}
			if out["boards/"+set.Folder.UID+"/"+board.UID+".json"], err = encode(unstamped(m)); err != nil {
				return nil, err
			}
		}
	}
	if len(b.Alerts.Groups) > 0 || len(b.Alerts.Former) > 0 {
		text, err := b.Alerts.provision()
		if err != nil {
			return nil, err
		}
		out["provisioning/alerting/haidang.yaml"] = text
	}
	return out, nil
}

const generated = "# Made by `haidang dashboards render`; do not edit.\n"

// provider tells Grafana where the boards are. They are not editable there,
// because the file would win again at the next start.
func (b Bundle) provider(p Provisioning) string {
	var s strings.Builder
	s.WriteString(generated + "apiVersion: 1\nproviders:\n")
	for _, set := range b.Sets {
		fmt.Fprintf(&s, `  - name: %s
    type: file
    folder: %s
    folderUid: %s
    allowUiUpdates: false
    disableDeletion: true
    updateIntervalSeconds: 60
    options:
      path: %s
`, scalar(set.Folder.UID), scalar(set.Folder.Title), scalar(set.Folder.UID), scalar(p.BoardsPath+"/"+set.Folder.UID))
	}
	return s.String()
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

// WriteAll writes what Render made, and removes what an earlier Render made and
// this one did not. What is called otherwise is somebody else's and stays.
func WriteAll(dir string, files map[string][]byte) error {
	if err := WriteFiles(dir, files); err != nil {
		return err
	}
	for _, pattern := range []string{"boards/haidang-*.json", "boards/*/haidang-*.json", "provisioning/alerting/haidang.yaml"} {
		old, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			return fmt.Errorf("list boards: %w", err)
		}
		for _, file := range old {
			name, err := filepath.Rel(dir, file)
			if err != nil {
				return fmt.Errorf("list boards: %w", err)
			}
			if files[filepath.ToSlash(name)] != nil {
				continue
			}
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("remove what is no longer made: %w", err)
			}
		}
	}
	return nil
}

// WriteFiles writes files by their names below a folder. Those that are as they
// should be are not touched.
func WriteFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
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
