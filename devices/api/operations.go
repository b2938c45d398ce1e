package api

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/devices"
)

const (
	maxBody       = 256 << 10 // of an ordinary request, in bytes
	maxPhotoBody  = 4 << 20   // of one with a photo in base64
	maxImportBody = 16 << 20  // of a file
)

// operation is a row of the table of operations.
type operation struct {
	role    Role // the least
	method  string
	path    string
	id      string
	summary string
}

// table adds operations to an API.
type table struct {
	api     huma.API
	problem *huma.Response
}

// option changes an operation.
type option func(*huma.Operation)

func body(bytes int64) option { return func(o *huma.Operation) { o.MaxBodyBytes = bytes } }

func described(text string) option { return func(o *huma.Operation) { o.Description = text } }

// reading is for the time that a large body may take over a bad line.
func reading(d time.Duration) option { return func(o *huma.Operation) { o.BodyReadTimeout = d } }

// answering documents a body that is not JSON.
func answering(types ...string) option {
	return func(o *huma.Operation) {
		r := &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{}}
		for _, t := range types {
			r.Content[t] = &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
		}
		o.Responses["200"] = r
	}
}

// telling documents an answer of one document, or of lines on the way to it.
func telling[One, Line any](t table) option {
	schema := func(of reflect.Type) *huma.MediaType {
		return &huma.MediaType{Schema: t.api.OpenAPI().Components.Schemas.Schema(of, true, "")}
	}
	return func(o *huma.Operation) {
		o.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
			"application/json": schema(reflect.TypeFor[One]()), ndjson: schema(reflect.TypeFor[Line]())}}
	}
}

// made says that success is 201.
func made(o *huma.Operation) { o.DefaultStatus = http.StatusCreated }

func add[I, O any](t table, tag string, op operation, f func(context.Context, *I) (*O, error), options ...option) {
	o := huma.Operation{OperationID: op.id, Method: op.method, Path: "/api/v1" + op.path, Summary: op.summary, Tags: []string{tag},
		MaxBodyBytes: maxBody, Metadata: map[string]any{MetadataRole: string(op.role)}, Extensions: map[string]any{ExtensionRole: string(op.role)},
		Responses: map[string]*huma.Response{"default": t.problem}}
	for _, option := range options {
		option(&o)
	}
	huma.Register(t.api, o, f)
}

// Register adds the operations to a huma API. The least role of each is in its
// metadata for a middleware to enforce: none is enforced here.
func (a *API) Register(to huma.API) {
	g := huma.NewGroup(to)
	g.UseTransformer(problemTransformer)
	schema := to.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	t := table{api: g, problem: &huma.Response{Description: "What is wrong",
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}}}
	a.addPlaces(t)
	a.addSites(t)
	a.addLimits(t)
	a.addDevices(t)
	a.addInstallations(t)
	a.addRegistrations(t)
	a.addFiles(t)
	a.addLive(t)
}

func (a *API) addPlaces(t table) {
	const tag = "places"
	add(t, tag, operation{Viewer, "GET", "/localities", "list-localities", "Localities with their wards"}, a.localities)
	add(t, tag, operation{Viewer, "GET", "/wards", "list-wards", "Wards, the localities that have them and how many sites name them"}, a.wards)
	add(t, tag, operation{Admin, "POST", "/wards/import", "import-wards", "Add wards, end them, move them between localities"}, a.importWards, described(wardsDescription))
	add(t, tag, operation{Viewer, "GET", "/kinds", "list-kinds", "The catalogue: what can be measured, in which units and ranges"}, a.kinds)
	add(t, tag, operation{Viewer, "GET", "/profiles", "list-profiles", "Device models and how their payloads are read"}, a.profiles)
	add(t, tag, operation{Viewer, "GET", "/nearby", "list-nearby-sites", "Sites around a position, and wards to suggest"}, a.nearby)
}

func (a *API) addSites(t table) {
	const tag = "sites"
	add(t, tag, operation{Viewer, "GET", "/sites", "list-sites", "Sites, filtered and searched"}, a.sites)
	add(t, tag, operation{Viewer, "GET", "/sites.geojson", "list-sites-geojson", "Sites for a map, in GeoJSON"}, a.geojson)
	add(t, tag, operation{Operator, "POST", "/sites", "create-site", "Create a site"}, a.createSite, made)
	add(t, tag, operation{Viewer, "GET", "/sites/{id}", "get-site", "A site and the devices that stand there"}, a.site)
	add(t, tag, operation{Operator, "PUT", "/sites/{id}", "update-site", "Replace what is said of a site"}, a.updateSite)
	add(t, tag, operation{Operator, "POST", "/sites/{id}/retire", "retire-site", "End a site's installations and take it out of use"}, a.retireSite)
	add(t, tag, operation{Operator, "POST", "/sites/{id}/reopen", "reopen-site", "Take a retired site into use again"}, a.reopenSite)
	add(t, tag, operation{Viewer, "GET", "/sites/{id}/changes", "list-site-changes", "The journal of a site"}, a.siteChanges)
	add(t, tag, operation{Viewer, "GET", "/sites/{id}/installations", "list-site-installations", "Which devices stood at a site, and when"}, a.siteInstallations)
	add(t, tag, operation{Viewer, "GET", "/sites/{id}/photos", "list-site-photos", "Photos of a site, the newest first"}, a.sitePhotos)
	add(t, tag, operation{Viewer, "GET", "/sites/{id}/latest", "get-site-latest", "The newest readings of a site"}, a.latest)
	add(t, tag, operation{Viewer, "GET", "/sites/{id}/series", "get-site-series", "A metric of a site over time"}, a.series)
}

func (a *API) addDevices(t table) {
	const tag = "devices"
	add(t, tag, operation{Viewer, "GET", "/devices", "list-devices", "Devices and where they stand, filtered and searched"}, a.devices)
	add(t, tag, operation{Operator, "POST", "/devices", "create-device", "Create a device that stands nowhere yet"}, a.createDevice, made)
	add(t, tag, operation{Viewer, "GET", "/devices/{id}", "get-device", "A device and where it stands"}, a.device)
	add(t, tag, operation{Operator, "PUT", "/devices/{id}", "update-device", "Replace what is said of a device"}, a.updateDevice)
	add(t, tag, operation{Field, "POST", "/devices/{id}/maintenance", "maintain-device", "Begin or end maintenance"}, a.maintain)
	add(t, tag, operation{Field, "POST", "/devices/{id}/swap", "swap-device", "Replace a device at its site; the site's history goes on"}, a.swap)
	add(t, tag, operation{Field, "POST", "/devices/{id}/remove", "remove-device", "Take a device from its site; it can stand elsewhere"}, a.remove)
	add(t, tag, operation{Field, "POST", "/devices/{id}/retire", "retire-device", "Take a device out of use for good"}, a.retireDevice)
	add(t, tag, operation{Viewer, "GET", "/devices/{id}/changes", "list-device-changes", "The journal of a device"}, a.deviceChanges)
	add(t, tag, operation{Viewer, "GET", "/devices/{id}/installations", "list-device-installations", "Where a device stood, and when"}, a.deviceInstallations)
	add(t, tag, operation{Field, "GET", "/devices/{id}/check", "check-device", "Live check: is it received, and if not, why"}, a.check)
	add(t, tag, operation{Viewer, "GET", "/changes", "list-changes", "The whole journal of changes"}, a.changes)
}

func (a *API) addInstallations(t table) {
	const tag = "installations"
	add(t, tag, operation{Field, "POST", "/devices/{id}/install", "install-device", "Put a device at a site"}, a.install, made)
	add(t, tag, operation{Operator, "PUT", "/installations/{id}", "correct-installation", "Correct when an installation began or ended"}, a.correct)
	add(t, tag, operation{Viewer, "GET", "/installations/{id}/photos", "list-photos", "The photos of an installation"}, a.photos)
	add(t, tag, operation{Field, "POST", "/installations/{id}/photos", "add-photo", "Add a photo to an installation"}, a.addPhoto, made,
		body(devices.MaxPhoto+1), reading(2*time.Minute), described(photoDescription))
	add(t, tag, operation{Viewer, "GET", "/installations/{id}/photos/{photo}", "get-photo", "A photo's bytes"}, a.photo, answering("image/jpeg"))
	add(t, tag, operation{Operator, "DELETE", "/installations/{id}/photos/{photo}", "delete-photo", "Delete a photo for good"}, a.deletePhoto)
}

func (a *API) addRegistrations(t table) {
	const tag = "registrations"
	add(t, tag, operation{Field, "POST", "/registrations", "register-device", "Register a device at a site, in one act"}, a.register,
		body(maxPhotoBody), reading(2*time.Minute), described("As a whole or not at all, and once: the same request_id with the same content is answered alike. "+
			"409 already_registered carries who was quicker in errors[].current; nothing is overwritten. "+
			"A device of Heard is registered the same way; what waited of it is driven through by itself."))
	add(t, tag, operation{Field, "GET", "/registrations/{request_id}", "get-registration", "What came of a registration"}, a.registration)
	add(t, tag, operation{Field, "GET", "/heard", "list-heard", "Devices that spoke and are not registered"}, a.heard)
	add(t, tag, operation{Field, "GET", "/heard/{device}", "get-heard", "What was heard of a device"}, a.heardDevice)
}

func (a *API) addFiles(t table) {
	const tag = "files"
	add(t, tag, operation{Operator, "POST", "/import", "import", "Import devices and sites from CSV or XLSX"}, a.importFile,
		telling[ImportResult, ImportLine](t), body(maxImportBody), reading(2*time.Minute), described(importDescription))
	add(t, tag, operation{Viewer, "GET", "/export", "export", "Export devices and sites"}, a.export,
		answering("text/csv", xlsxType, "application/geo+json"), described("CSV and XLSX have the columns that an import reads. Cells that a spreadsheet would take for a formula begin with an apostrophe."))
	add(t, tag, operation{Operator, "POST", "/labels", "make-labels", "A sheet of QR labels, as PDF"}, a.labels,
		answering("application/pdf"), described("A4, 3 by 8 labels of 70 by 37 mm: the QR code with the registration link, the device's id, the site's name."))
}

func (a *API) addLive(t table) {
	const tag = "live"
	add(t, tag, operation{Viewer, "GET", "/silence", "list-silence", "Devices by how they are heard, the worst first"}, a.silence)
	add(t, tag, operation{Viewer, "GET", "/incidents", "list-incidents", "Gateways behind which many devices are silent"}, a.incidents)
	add(t, tag, operation{Viewer, "GET", "/live", "stream-live", "Newest readings and changes of state, as server-sent events"}, a.stream,
		answering("text/event-stream"), described(liveDescription))
}
