package city

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// matrix has a line for every operation of a city, by its id: who adds one says here
// who may do it, and where.
func matrix() map[string]rights {
	m := map[string]rights{}
	look := func(o func(object) request, a about, ids ...string) {
		for _, id := range ids {
			m[id] = rights{least: access.Viewer, about: a, ask: o}
		}
	}
	for id, path := range map[string]string{"list-sites": "/sites", "list-sites-geojson": "/sites.geojson", "list-devices": "/devices", "list-localities": "/localities",
		"list-wards": "/wards", "list-kinds": "/kinds", "list-profiles": "/profiles", "list-nearby-sites": "/nearby?lat=12.2&lon=109.1", "list-limits": "/limits", "list-gauges": "/gauges",
		"list-changes": "/changes", "list-silence": "/silence", "list-incidents": "/incidents", "stream-live": "/live", "export": "/export", "list-alarms": "/alarms",
		"get-alarm-rules": "/alarms/rules", "get-ledger": "/ledger", "get-ledger-history": "/ledger/history", "compare-store": "/ledger/store", "list-tokens": "/tokens", "list-sessions": "/sessions"} {
		look(func(object) request { return getting("/api/v1" + path) }, ofNothing, id)
	}
	look(func(object) request { return getting("/metrics") }, ofNothing, "GET /metrics")
	look(func(object) request { return getting("/prometheus/api/v1/query?query=up") }, ofNothing, "/prometheus/")
	for id, tail := range map[string]string{"get-site": "", "list-site-changes": "/changes", "list-site-installations": "/installations", "get-site-latest": "/latest",
		"get-site-series": "/series?kind=noise&metric=laeq", "list-site-limits": "/limits"} {
		look(func(o object) request { return getting(o.s(tail)) }, ofSite, id)
	}
	for id, tail := range map[string]string{"get-device": "", "list-device-changes": "/changes", "list-device-installations": "/installations"} {
		look(func(o object) request { return getting(o.d(tail)) }, ofDevice, id)
	}
	for id, path := range map[string]string{"/": "/", "/auth/oidc/": "/auth/oidc/", "GET /api": "/api", "GET /api/docs": "/api/docs", "GET /healthz": "/healthz", "GET /readyz": "/readyz", "get-session": "/api/v1/session"} {
		m[id] = rights{least: access.Anyone, ask: func(object) request { return getting(path) }}
	}
	for id, path := range map[string]string{"log-in": "/session", "look-link": "/links/look", "redeem-link": "/links/redeem"} {
		m[id] = rights{least: access.Anyone, ask: func(object) request { return posting("/api/v1"+path, doc{}) }}
	}
	// What is not for everybody.
	m["list-quarantine"] = rights{least: access.Viewer, where: filtered, about: ofMessage, ask: func(o object) request { return getting("/api/v1/quarantine?limit=1000") }, proof: leak}
	m["list-journal"] = rights{least: access.Viewer, where: filtered, ask: func(object) request { return getting("/api/v1/journal/messages") }}
	m["list-astray-topics"] = rights{least: access.Viewer, where: filtered, about: ofMessage, ask: func(o object) request { return getting("/api/v1/quarantine/topics") }, proof: leak}
	m["get-quarantined"] = rights{least: access.Viewer, where: local, about: ofMessage, ask: func(o object) request { return getting(fmt.Sprint("/api/v1/quarantine/", o.message)) }, proof: leak}
	m["list-heard"] = rights{least: access.Field, where: filtered, ask: func(object) request { return getting("/api/v1/heard?limit=1000") }, proof: leak}
	m["get-heard"] = rights{least: access.Field, where: filtered, ask: func(o object) request { return getting("/api/v1/heard/" + string(o.heard)) }}
	m["get-photo"] = rights{least: access.Viewer, where: local, about: ofSite, ask: func(o object) request { return getting(o.i(fmt.Sprint("/photos/", o.photo))) }}
	m["list-photos"] = rights{least: access.Viewer, where: local, about: ofSite, ask: func(o object) request { return getting(o.i("/photos")) }}
	m["list-site-photos"] = rights{least: access.Viewer, where: local, about: ofSite, ask: func(o object) request { return getting(o.s("/photos")) }}
	m["check-device"] = rights{least: access.Field, where: local, about: ofDevice, ask: func(o object) request { return getting(o.d("/check")) }}
	m["list-credentials"] = rights{least: access.Field, where: local, about: ofDevice, ask: func(o object) request { return getting(o.d("/credentials")) }}
	// Changes of sites.
	m["create-site"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request { return posting("/api/v1/sites", o.siteDoc(o.id("new"))) }}
	m["update-site"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request { return putting(o.s(""), o.siteDoc(o.id("name"))) }}
	m["retire-site"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request { return posting(o.s("/retire"), doc{}) }}
	m["reopen-site"] = rights{least: access.Operator, where: local, retired: true, about: ofSite, ask: func(o object) request { return posting(o.s("/reopen"), doc{}) }}
	m["create-limit"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request {
		return posting(o.s("/limits"), o.limitDoc(fmt.Sprint("c", o.n)))
	}}
	m["set-limit"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request { return putting(o.s("/limits/loud"), o.limitDoc("")) }}
	m["set-levels"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request { return putting(o.s("/levels"), doc{"bd1": 1 + float64(o.n)/1000}) }}
	m["update-limit"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request {
		return putting(fmt.Sprint("/api/v1/limits/", o.limit.ID), o.limitDoc(""))
	}}
	m["delete-limit"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request {
		return request{method: "DELETE", path: fmt.Sprint("/api/v1/limits/", o.limit.ID), match: "*"}
	}}
	m["correct-installation"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request {
		return putting(o.i(""), doc{"from": o.stand.From.Add(-time.Minute), "cadence_seconds": 60 + o.n})
	}}
	m["add-photo"] = rights{least: access.Field, where: local, about: ofSite, ask: func(o object) request {
		return request{method: "POST", path: o.i("/photos"), raw: picture(o.n)}
	}}
	m["delete-photo"] = rights{least: access.Operator, where: local, about: ofSite, ask: func(o object) request {
		return request{method: "DELETE", path: o.i(fmt.Sprint("/photos/", o.photo))}
	}}
	// Changes of devices.
	m["create-device"] = rights{least: access.Operator, ask: func(o object) request { return posting("/api/v1/devices", o.deviceDoc(o.id("made"))) }}
	m["update-device"] = rights{least: access.Operator, where: local, about: ofDevice, ask: func(o object) request { return putting(o.d(""), o.deviceDoc("")) }}
	m["maintain-device"] = rights{least: access.Field, where: local, about: ofDevice, ask: func(o object) request { return posting(o.d("/maintenance"), doc{"action": "begin"}) }}
	m["swap-device"] = rights{least: access.Field, where: local, about: ofSite, ask: func(o object) request { return posting(o.d("/swap"), doc{"create": o.deviceDoc(o.id("swapped"))}) }}
	m["remove-device"] = rights{least: access.Field, where: local, about: ofSite, ask: func(o object) request { return posting(o.d("/remove"), doc{}) }}
	m["retire-device"] = rights{least: access.Field, where: local, about: ofDevice, ask: func(o object) request { return posting(o.d("/retire"), doc{}) }}
	m["install-device"] = rights{least: access.Field, where: taken, about: ofDevice, ask: func(o object) request {
		if o.place == "" {
			return posting(o.d("/install"), doc{"site": o.site, "redundant": true}) // at a site of ours
		}
		return posting("/api/v1/devices/"+string(o.spare)+"/install", doc{"site": o.site, "redundant": true})
	}}
	m["register-device"] = rights{least: access.Field, where: taken, about: ofDevice, ask: func(o object) request {
		id := o.id("reg")
		if o.place == "" {
			id = string(o.device)
		}
		return posting("/api/v1/registrations", doc{"request_id": o.id("request"), "device": o.deviceDoc(id), "site": doc{"id": o.site}, "redundant": true})
	}}
	m["get-registration"] = rights{least: access.Field, ask: func(o object) request { return getting("/api/v1/registrations/" + o.request) }}
	m["issue-credential"] = rights{least: access.Field, where: local, about: ofDevice, ask: func(o object) request { return posting(o.d("/credentials"), doc{}) }}
	m["revoke-credentials"] = rights{least: access.Field, where: local, about: ofDevice, ask: func(o object) request {
		return request{method: "DELETE", path: o.d("/credentials?why=test")}
	}}
	m["make-labels"] = rights{least: access.Operator, where: local, about: ofDevice, ask: func(o object) request {
		return posting("/api/v1/labels", doc{"devices": []telemetry.Device{o.device}, "issue_secrets": true})
	}}
	m["import"] = rights{least: access.Operator, where: anywhere, ask: func(o object) request { // its rows are judged one by one: TestImportKeepsToItsLocalities
		return request{method: "POST", path: "/api/v1/import", raw: []byte("site_id,name\n")}
	}}
	// Alarms and messages.
	m["acknowledge-alarm"] = rights{least: access.Operator, where: local, about: ofAlarm, ask: func(o object) request {
		return posting(fmt.Sprintf("/api/v1/alarms/%d/acknowledge", o.alarm), doc{"note": "seen"})
	}}
	m["redrive-quarantine"] = rights{least: access.Operator, where: local, about: ofMessage, ask: func(o object) request {
		return posting("/api/v1/quarantine/redrive", doc{"ids": []int64{o.message}})
	}, proof: `"tried":1`}
	m["discard-quarantine"] = rights{least: access.Operator, where: local, about: ofMessage, ask: func(o object) request {
		return posting("/api/v1/quarantine/discard", doc{"ids": []int64{o.message}, "why": "a test"})
	}, proof: `"discarded":1`}
	m["purge-quarantine"] = rights{least: access.Operator, where: filtered, about: ofMessage, ask: func(o object) request {
		return posting("/api/v1/quarantine/purge", doc{"topic": o.topic, "why": "a test"})
	}, proof: `"discarded":1`}
	m["send-message"] = rights{least: access.Field, where: local, ask: func(o object) request {
		return posting(fmt.Sprintf("/api/v1/ingest/%s/noise/%s", o.place, o.device), doc{"laeq": 50})
	}}
	m["send-messages"] = rights{least: access.Field, where: local, about: ofMessage, ask: func(o object) request {
		return posting("/api/v1/ingest/batch", []doc{{"topic": o.topic, "payload": doc{"laeq": 50}}})
	}, proof: `"taken":1`}
	// For administrators, and for persons.
	m["import-wards"] = rights{least: access.Admin, ask: func(object) request { return posting("/api/v1/wards/import", doc{"wards": []doc{{"code": "22366"}}}) }}
	for id, path := range map[string]string{"list-accounts": "/accounts", "list-access-events": "/access/events", "export-mosquitto-passwords": "/access/mosquitto/password_file", "export-mosquitto-acl": "/access/mosquitto/acl_file"} {
		m[id] = rights{least: access.Admin, ask: func(object) request { return getting("/api/v1" + path) }}
	}
	m["create-link"] = rights{least: access.Admin, ask: func(object) request {
		return posting("/api/v1/links", doc{"role": "operator", "localities": []string{"nha-trang"}})
	}}
	m["change-account"] = rights{least: access.Admin, ask: func(object) request {
		return request{method: "PATCH", path: "/api/v1/accounts/idle", body: doc{"version": 1, "role": "operator", "localities": []string{}}}
	}}
	m["end-account-sessions"] = rights{least: access.Admin, ask: func(object) request { return request{method: "DELETE", path: "/api/v1/accounts/idle/sessions"} }}
	m["create-token"] = rights{least: access.Viewer, person: true, ask: func(object) request {
		return posting("/api/v1/tokens", doc{"name": "x", "scopes": []string{"read"}, "days": 1})
	}}
	m["revoke-token"] = rights{least: access.Viewer, own: true, ask: func(o object) request { return request{method: "DELETE", path: "/api/v1/tokens/none"} }}
	return m
}

// endings end the session with which they are asked; [TestOperationsAreRefusedWithTheRight]
// asks them. None is about an object of a place.
func endings() []string {
	return []string{"log-out", "end-sessions", "change-password"}
}
