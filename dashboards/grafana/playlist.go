package grafana

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
)

// playlistItem is a board of a playlist, the same in both interfaces.
type playlistItem struct {
	Type  string `json:"type"`
	Value string `json:"value"`
	Title string `json:"title,omitempty"`
}

func (l Playlist) items() []playlistItem {
	out := make([]playlistItem, len(l.Boards))
	for i, uid := range l.Boards {
		out[i] = playlistItem{Type: "dashboard_by_uid", Value: uid}
	}
	return out
}

// is reports whether a playlist in Grafana is this one already.
func (l Playlist) is(name, interval string, items []playlistItem) bool {
	for i := range items {
		items[i].Title = "" // Grafana's own note
	}
	return name == l.Name && interval == l.Interval && reflect.DeepEqual(items, l.items())
}

// WallURL is where a playlist plays without Grafana's frame.
func (s *Server) WallURL(uid string) string {
	return s.base.String() + "/playlists/play/" + url.PathEscape(uid) + "?kiosk"
}

// pushPlaylist makes the playlist. Grafana 13 documents only the interface in
// the form of Kubernetes' (/apis); before 12 there is only the one of old.
func (p *Publisher) pushPlaylist(ctx context.Context, l Playlist) (Step, error) {
	push := p.pushOldPlaylist
	if p.Server.major >= 13 {
		push = p.pushNewPlaylist
	}
	s := Step{What: "playlist", Name: l.Name, Done: unchanged}
	var err error
	s.UID, s.Done, err = push(ctx, l)
	return s, err
}

// pushOldPlaylist is for /api/playlists, where Grafana chooses the uid: the
// playlist is known by its name.
func (p *Publisher) pushOldPlaylist(ctx context.Context, l Playlist) (uid, done string, err error) {
	var all []struct {
		UID  string `json:"uid"`
		Name string `json:"name"`
	}
	if err := p.Server.ask(ctx, http.MethodGet, "/api/playlists?limit=10000", nil, &all); err != nil {
		return "", "", err
	}
	for _, other := range all {
		if other.Name != l.Name {
			continue
		}
		if uid != "" {
			return "", "", fmt.Errorf("there are two playlists of this name in Grafana: remove or rename one of them there")
		}
		uid = other.UID
	}
	body := object{"name": l.Name, "interval": l.Interval, "items": l.items()}
	if uid == "" {
		if p.DryRun {
			return "", created, nil
		}
		var made struct {
			UID string `json:"uid"`
		}
		err := p.Server.ask(ctx, http.MethodPost, "/api/playlists", body, &made)
		return made.UID, created, err
	}
	path := "/api/playlists/" + url.PathEscape(uid)
	var live struct {
		Name     string         `json:"name"`
		Interval string         `json:"interval"`
		Items    []playlistItem `json:"items"`
	}
	if err := p.Server.ask(ctx, http.MethodGet, path, nil, &live); err != nil {
		return "", "", err
	}
	if l.is(live.Name, live.Interval, live.Items) {
		return uid, unchanged, nil
	}
	if p.DryRun {
		return uid, updated, nil
	}
	return uid, updated, p.Server.ask(ctx, http.MethodPut, path, body, nil)
}

// pushNewPlaylist is for /apis/playlist.grafana.app.
func (p *Publisher) pushNewPlaylist(ctx context.Context, l Playlist) (uid, done string, err error) {
	namespace, err := p.Server.namespace(ctx)
	if err != nil {
		return "", "", err
	}
	path := "/apis/playlist.grafana.app/v1/namespaces/" + url.PathEscape(namespace) + "/playlists"
	body := object{
		"kind": "Playlist", "apiVersion": "playlist.grafana.app/v1", "metadata": object{"name": l.UID},
		"spec": object{"title": l.Name, "interval": l.Interval, "items": l.items()},
	}
	var live struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Spec struct {
			Title    string         `json:"title"`
			Interval string         `json:"interval"`
			Items    []playlistItem `json:"items"`
		} `json:"spec"`
	}
	err = p.Server.ask(ctx, http.MethodGet, path+"/"+l.UID, nil, &live)
	switch {
	case refusedWith(err, http.StatusNotFound) && p.DryRun:
		return l.UID, created, nil
	case refusedWith(err, http.StatusNotFound):
		return l.UID, created, p.Server.ask(ctx, http.MethodPost, path, body, nil)
	case err != nil:
		return "", "", err
	case l.is(live.Spec.Title, live.Spec.Interval, live.Spec.Items):
		return l.UID, unchanged, nil
	case p.DryRun:
		return l.UID, updated, nil
	}
	// So that a change in the meantime is refused.
	body["metadata"] = object{"name": l.UID, "resourceVersion": live.Metadata.ResourceVersion}
	return l.UID, updated, p.Server.ask(ctx, http.MethodPut, path+"/"+l.UID, body, nil)
}

// namespace is the organisation's name in /apis: default for the first, else
// org-ID.
func (s *Server) namespace(ctx context.Context) (string, error) {
	var org struct {
		ID int64 `json:"id"`
	}
	if err := s.ask(ctx, http.MethodGet, "/api/org", nil, &org); err != nil {
		return "", fmt.Errorf("ask for the organisation: %w", err)
	}
	if org.ID <= 1 {
		return "default", nil
	}
	return fmt.Sprintf("org-%d", org.ID), nil
}
