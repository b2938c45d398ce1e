// Package registry is the registry from the terminal: devices, sites, accounts and
// API tokens.
package registry

import (
	"fmt"
	"net/url"
	"strconv"
)

// Devices is the registry for the terminal. All but backup and restore ask
// a running city through its REST interface; those two work on the database.
type Devices struct {
	List      devicesList      `cmd:"" help:"List devices and where they stand."`
	Show      devicesShow      `cmd:"" help:"Show one device: what it is, where it stands and stood."`
	Add       devicesAdd       `cmd:"" help:"Register a device, at a site if one is named."`
	Import    devicesImport    `cmd:"" help:"Import devices and sites from CSV or XLSX; exit 1 if a row fails."`
	Export    devicesExport    `cmd:"" help:"Export devices or sites as CSV, XLSX or GeoJSON."`
	Labels    devicesLabels    `cmd:"" help:"Make a sheet of QR labels as PDF."`
	Edit      devicesEdit      `cmd:"" help:"Change what is said of a device."`
	Since     devicesSince     `cmd:"" help:"Correct since when a device stands where it stands."`
	Cadence   devicesCadence   `cmd:"" help:"Set how often a device sends readings, or have it learned."`
	Install   devicesInstall   `cmd:"" help:"Put a registered device at a site."`
	Move      devicesMove      `cmd:"" help:"Take a device from its site to another, in one act."`
	Swap      devicesSwap      `cmd:"" help:"Replace a device at its site; the site's history goes on."`
	Maintain  devicesMaintain  `cmd:"" help:"Begin maintenance: readings are stored, silence is no fault."`
	Resume    devicesResume    `cmd:"" help:"End maintenance, or take a retired device into use again."`
	Remove    devicesRemove    `cmd:"" help:"Take devices from their sites; they can stand elsewhere."`
	Retire    devicesRetire    `cmd:"" help:"Take devices out of use for good."`
	Secret    devicesSecret    `cmd:"" help:"Devices' MQTT secrets: issue, list, revoke."`
	Heard     devicesHeard     `cmd:"" help:"List devices that spoke and are not registered."`
	Check     devicesCheck     `cmd:"" help:"Is a device received, and if not, why? Exit 1 if not."`
	Changes   devicesChanges   `cmd:"" help:"The journal: who changed what, when and why."`
	Mosquitto devicesMosquitto `cmd:"" help:"Write the files by which an external Mosquitto knows the devices."`
	Backup    devicesBackup    `cmd:"" help:"Write all that the registry holds into a file."`
	Restore   devicesRestore   `cmd:"" help:"Read a backup into an empty registry."`
}

// Help is kong's detailed help.
func (Devices) Help() string {
	return `Where people must log in, give an API token in the environment: HAIDANG_TOKEN.

Examples:
  haidang devices list tran phu --state active
  haidang devices add aq-0042 --kind air_quality --site thap-tram-huong
  haidang devices import new.xlsx --dry-run
  haidang devices check aq-0042 --wait 5m`
}

// whyFlag is the remark for the journal.
type whyFlag struct {
	Why string `help:"Why, in your own words; kept in the journal of changes." placeholder:"TEXT"`
}

// deviceFilters select devices; places are those of the site where they stand.
type deviceFilters struct {
	Locality    string `help:"Only those of this locality, such as nha-trang." placeholder:"ID"`
	Ward        string `help:"Only those of this ward." placeholder:"CODE"`
	Kind        string `help:"Only those that measure this, such as air_quality." placeholder:"KIND"`
	State       string `enum:",planned,active,maintenance,retired" default:"" help:"Only those in this state: planned, active, maintenance or retired." placeholder:"STATE"`
	Gateway     string `help:"Only those behind this gateway." placeholder:"NAME"`
	Profile     string `help:"Only those of this profile." placeholder:"ID"`
	Provisional string `enum:",true,false" default:"" help:"Only those that open admission let in (true), or that people registered (false)." placeholder:"true|false"`
	BBox        string `name:"bbox" help:"Only those within west,south,east,north in degrees." placeholder:"W,S,E,N"`
}

func (f deviceFilters) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"locality": f.Locality, "ward": f.Ward, "kind": f.Kind, "state": f.State,
		"gateway": f.Gateway, "profile": f.Profile, "provisional": f.Provisional, "bbox": f.BBox} {
		setIf(q, name, value)
	}
	return q
}

// setIf adds a parameter that has a value.
func setIf(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// pageFlags choose a part of a list.
type pageFlags struct {
	Limit int    `default:"50" help:"How many at most, up to 1000." placeholder:"50"`
	After string `help:"Go on after this, which the list before named." placeholder:"MARK"`
}

func (f pageFlags) set(q url.Values) error {
	if f.Limit < 1 || f.Limit > maxPage {
		return fmt.Errorf("--limit is %d: give 1 to %d", f.Limit, maxPage)
	}
	q.Set("limit", strconv.Itoa(f.Limit))
	setIf(q, "cursor", f.After)
	return nil
}

// maxPage is the longest page that the interface gives.
const maxPage = 1000
