package grafanatest

import (
	"fmt"
	"net/http"
	"strconv"
)

func (s *Server) folderJSON(uid string) object {
	f := s.folders[uid]
	return object{"id": f.id, "uid": uid, "title": f.title, "version": f.version, "url": "/dashboards/f/" + uid + "/x"}
}

func (s *Server) getFolder(r *http.Request, _ object) (int, any) {
	uid := r.PathValue("uid")
	if s.folders[uid] == nil {
		return message(404, "folder not found", "not-found")
	}
	return 200, s.folderJSON(uid)
}

// folderCalled finds the folder with a title.
func (s *Server) folderCalled(title string) string {
	for uid, f := range s.folders {
		if f.title == title {
			return uid
		}
	}
	return ""
}

func (s *Server) postFolder(_ *http.Request, in object) (int, any) {
	uid, title := str(in, "uid"), str(in, "title")
	switch {
	case title == "":
		return message(400, "folder title cannot be empty", "")
	case s.folders[uid] != nil:
		return message(412, "the folder has been changed by someone else", s.changed())
	case s.uniqueTitles() && s.folderCalled(title) != "":
		return message(409, "a folder or dashboard in the general folder with the same name already exists", "")
	}
	s.folders[uid] = &folder{id: s.next(), version: 1, title: title}
	return 200, s.folderJSON(uid)
}

func (s *Server) putFolder(r *http.Request, in object) (int, any) {
	uid := r.PathValue("uid")
	f := s.folders[uid]
	switch other := s.folderCalled(str(in, "title")); {
	case f == nil:
		return message(404, "folder not found", "not-found")
	case in["overwrite"] != true && num(in, "version") != f.version:
		return message(412, "the folder has been changed by someone else", s.changed())
	case s.uniqueTitles() && other != "" && other != uid:
		return message(409, "a folder or dashboard in the general folder with the same name already exists", "")
	}
	f.title = str(in, "title")
	f.version++
	return 200, s.folderJSON(uid)
}

func (s *Server) deleteFolder(r *http.Request, _ object) (int, any) {
	uid := r.PathValue("uid")
	if s.folders[uid] == nil {
		return message(404, "folder not found", "not-found")
	}
	delete(s.folders, uid)
	for id, d := range s.dashboards {
		if d.folder == uid {
			delete(s.dashboards, id)
		}
	}
	for id, r := range s.rules {
		if str(r, "folderUID") == uid {
			delete(s.rules, id)
		}
	}
	return 200, object{"message": "Folder deleted"}
}

func (s *Server) getDashboard(r *http.Request, _ object) (int, any) {
	d := s.dashboards[r.PathValue("uid")]
	if d == nil {
		return message(404, "Dashboard not found", "")
	}
	return 200, object{
		"dashboard": clone(d.model),
		"meta":      object{"version": d.version, "folderUid": d.folder, "provisioned": d.provisioned},
	}
}

// refuseDashboard is what is wrong with a dashboard that somebody saves.
func (s *Server) refuseDashboard(in, model object) (int, any) {
	uid, title, at := str(model, "uid"), str(model, "title"), str(in, "folderUid")
	switch {
	case title == "":
		return message(400, "Dashboard title cannot be empty", "empty-name")
	case len(uid) > 40:
		return message(400, "uid too long, max 40 characters", "")
	case !uidForm.MatchString(uid):
		return message(400, "uid contains illegal characters", "")
	case at != "" && s.folders[at] == nil:
		return message(400, "Folder not found", "")
	case s.uniqueTitles() && at != "" && s.folders[at].title == title:
		return message(400, "Dashboard name cannot be the same as folder", "name-match")
	case s.folders[uid] != nil:
		return message(400, "Dashboard cannot be changed to a folder", "")
	}
	old := s.dashboards[uid]
	if old != nil && old.provisioned {
		return message(400, "Cannot save provisioned dashboard", "")
	}
	if old != nil && in["overwrite"] != true && num(model, "version") != old.version {
		return message(412, "The dashboard has been changed by someone else", "version-mismatch")
	}
	for other, d := range s.dashboards {
		if s.uniqueTitles() && other != uid && d.folder == at && str(d.model, "title") == title && in["overwrite"] != true {
			return message(412, "A dashboard with the same name in the folder already exists", "name-exists")
		}
	}
	return 0, nil
}

func (s *Server) postDashboard(_ *http.Request, in object) (int, any) {
	model, _ := in["dashboard"].(object)
	if model == nil {
		return message(400, "bad request data", "")
	}
	if status, body := s.refuseDashboard(in, model); status != 0 {
		return status, body
	}
	uid := str(model, "uid")
	if uid == "" {
		uid = fmt.Sprintf("made%d", s.next())
	}
	d := s.dashboards[uid]
	if d == nil {
		d = &dashboard{id: s.next()}
		s.dashboards[uid] = d
	}
	d.model, d.folder = clone(model), str(in, "folderUid")
	if s.Rewrite != nil {
		s.Rewrite(d.model)
	}
	d.version++
	d.model["id"], d.model["uid"], d.model["version"] = d.id, uid, d.version
	s.saves++
	return 200, object{"id": d.id, "uid": uid, "status": "success", "version": d.version, "url": "/d/" + uid + "/x", "slug": "x"}
}

// sourceJSON is a data source without its secrets, of which only the names are
// told.
func (s *Server) sourceJSON(uid string) object {
	out := clone(s.sources[uid])
	secret, _ := out["secureJsonData"].(object)
	told := object{}
	for name := range secret {
		told[name] = true
	}
	delete(out, "secureJsonData")
	out["secureJsonFields"] = told
	return out
}

func (s *Server) getSource(r *http.Request, _ object) (int, any) {
	uid := r.PathValue("uid")
	if s.sources[uid] == nil {
		return message(404, "Data source not found", "")
	}
	return 200, s.sourceJSON(uid)
}

// saved is what becomes of a data source that is sent; what Grafana fills in is
// filled in.
func (s *Server) saved(uid string, in, old object) object {
	d := object{"access": "proxy", "database": "", "user": "", "basicAuth": false, "isDefault": false, "jsonData": object{}}
	for k, v := range clone(in) {
		if v != nil {
			d[k] = v
		}
	}
	d["uid"], d["id"], d["readOnly"] = uid, old["id"], false
	if d["secureJsonData"] == nil && old["secureJsonData"] != nil {
		d["secureJsonData"] = old["secureJsonData"] // one that is not sent stays
	}
	d["version"] = num(old, "version") + 1
	return clone(d)
}

func (s *Server) sourceCalled(name string) string {
	for uid, d := range s.sources {
		if str(d, "name") == name {
			return uid
		}
	}
	return ""
}

func (s *Server) postSource(_ *http.Request, in object) (int, any) {
	uid := str(in, "uid")
	switch {
	case s.sources[uid] != nil:
		return message(409, "data source with the same uid already exists", "")
	case s.sourceCalled(str(in, "name")) != "":
		return message(409, "data source with the same name already exists", "")
	}
	id := s.next()
	s.sources[uid] = s.saved(uid, in, object{"id": id})
	return 200, object{"id": id, "name": in["name"], "message": "Datasource added", "datasource": s.sourceJSON(uid)}
}

func (s *Server) putSource(r *http.Request, in object) (int, any) {
	uid := r.PathValue("uid")
	old := s.sources[uid]
	switch other := s.sourceCalled(str(in, "name")); {
	case old == nil:
		return message(404, "Data source not found", "")
	case old["readOnly"] == true:
		return message(403, "Cannot update read-only data source", "")
	case other != "" && other != uid:
		return message(409, "data source with the same name already exists", "")
	}
	s.sources[uid] = s.saved(uid, in, old)
	return 200, object{"id": old["id"], "name": in["name"], "message": "Datasource updated", "datasource": s.sourceJSON(uid)}
}

func (s *Server) deleteSource(r *http.Request, _ object) (int, any) {
	uid := r.PathValue("uid")
	if s.sources[uid] == nil {
		return message(404, "Data source not found", "")
	}
	delete(s.sources, uid)
	return 200, object{"message": "Data source deleted"}
}

func (s *Server) listPlaylists(*http.Request, object) (int, any) {
	out := []object{}
	for uid, l := range s.playlists {
		out = append(out, object{"uid": uid, "name": l["name"], "interval": l["interval"]})
	}
	return 200, out
}

func (s *Server) getPlaylist(r *http.Request, _ object) (int, any) {
	l := s.playlists[r.PathValue("uid")]
	if l == nil {
		return message(404, "Playlist not found", "")
	}
	return 200, l
}

// postPlaylist chooses the uid, whatever was sent.
func (s *Server) postPlaylist(_ *http.Request, in object) (int, any) {
	uid := fmt.Sprintf("chosen%d", s.next())
	s.playlists[uid] = object{"uid": uid, "name": in["name"], "interval": in["interval"], "items": in["items"]}
	return 200, object{"uid": uid, "name": in["name"], "interval": in["interval"]}
}

func (s *Server) putPlaylist(r *http.Request, in object) (int, any) {
	uid := r.PathValue("uid")
	if s.playlists[uid] == nil {
		return message(404, "Playlist not found", "")
	}
	s.playlists[uid] = object{"uid": uid, "name": in["name"], "interval": in["interval"], "items": in["items"]}
	return 200, s.playlists[uid]
}

func (s *Server) deletePlaylist(r *http.Request, _ object) (int, any) {
	uid := r.PathValue("uid")
	if s.playlists[uid] == nil {
		return message(404, "Playlist not found", "")
	}
	delete(s.playlists, uid)
	return 200, object{}
}

// status is how /apis refuses.
func status(code int, reason string) (int, any) {
	return code, object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code}
}

func (s *Server) getNewPlaylist(r *http.Request, _ object) (int, any) {
	if l := s.playlists[r.PathValue("uid")]; l != nil {
		return 200, l
	}
	return status(404, "NotFound")
}

func (s *Server) postNewPlaylist(_ *http.Request, in object) (int, any) {
	meta, _ := in["metadata"].(object)
	uid := str(meta, "name")
	switch {
	case uid == "":
		return status(400, "BadRequest")
	case s.playlists[uid] != nil:
		return status(409, "AlreadyExists")
	}
	return 201, s.saveNewPlaylist(uid, in)
}

func (s *Server) putNewPlaylist(r *http.Request, in object) (int, any) {
	uid := r.PathValue("uid")
	l := s.playlists[uid]
	if l == nil {
		return status(404, "NotFound")
	}
	meta, _ := in["metadata"].(object)
	if v := str(meta, "resourceVersion"); v != "" && v != str(l["metadata"].(object), "resourceVersion") {
		return status(409, "Conflict")
	}
	return 200, s.saveNewPlaylist(uid, in)
}

func (s *Server) saveNewPlaylist(uid string, in object) object {
	s.playlists[uid] = object{
		"kind": "Playlist", "apiVersion": "playlist.grafana.app/v1", "spec": in["spec"],
		"metadata": object{"name": uid, "namespace": "default", "resourceVersion": strconv.Itoa(s.next())},
	}
	return s.playlists[uid]
}
