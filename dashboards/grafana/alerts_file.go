package grafana

import (
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
)

// alertsFile is the file of alert rules that Grafana provisions itself with.
type alertsFile struct {
	APIVersion  int          `json:"apiVersion"`
	Groups      []fileGroup  `json:"groups,omitempty"`
	DeleteRules []fileDelete `json:"deleteRules,omitempty"`
}

type fileGroup struct {
	OrgID    int               `json:"orgId"`
	Name     string            `json:"name"`
	Folder   string            `json:"folder"` // by its title: files know no uid of it
	Interval string            `json:"interval"`
	Rules    []json.RawMessage `json:"rules"`
}

type fileDelete struct {
	OrgID int    `json:"orgId"`
	UID   string `json:"uid"`
}

// provision is the alert rules as a provisioning file. Grafana puts no environment
// variables into annotations and queries, so a $ of their templates is as it is.
func (a Alerts) provision() ([]byte, error) {
	file := alertsFile{APIVersion: 1}
	for _, g := range a.Groups {
		made := fileGroup{OrgID: 1, Name: g.Name, Folder: a.Folder.Title, Interval: fmt.Sprintf("%ds", int(g.Every.Seconds()))}
		for _, r := range g.Rules {
			made.Rules = append(made.Rules, r.Model)
		}
		file.Groups = append(file.Groups, made)
	}
	for _, uid := range a.Former {
		file.DeleteRules = append(file.DeleteRules, fileDelete{OrgID: 1, UID: uid})
	}
	text, err := json.Marshal(file)
	if err == nil {
		text, err = yaml.JSONToYAML(text)
	}
	if err != nil {
		return nil, fmt.Errorf("write alert rules: %w", err)
	}
	return append([]byte(generated), text...), nil
}
