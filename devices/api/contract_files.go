package api

import (
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Problem is an error (RFC 9457).
type Problem struct {
	Title  string `json:"title" doc:"The status in words" example:"Conflict"`
	Status int    `json:"status" example:"409"`
	Code   string `json:"code" doc:"invalid, not_found, conflict, stale (412), precondition_required (428), too_large (413), unavailable (501, 503), busy (503 with Retry-After), internal" example:"conflict"`
	Detail string `json:"detail" doc:"All sentences in English" example:"Device aq-1 stands at cau-da since 2026-09-01T00:00:00Z."`
	VI     string `json:"detail_vi" doc:"All sentences in Vietnamese"`
	// RetryAfter is when the same may be asked for again; 0 says nothing of it.
	RetryAfter time.Duration `json:"-"`
	Errors     []Fault       `json:"errors,omitempty" doc:"Each thing that is wrong, in the order of the form's fields"`
}

// Fault is one thing that is wrong.
type Fault struct {
	Field      string `json:"field,omitempty" doc:"Where in the input: position.lat, device.kinds; absent where it concerns the whole" example:"position"`
	Code       string `json:"code" doc:"A stable word: required, swapped_coordinates, outside_province, duplicate_id, already_registered, kind_taken, changed_meanwhile, …" example:"swapped_coordinates"`
	VI         string `json:"vi"`
	EN         string `json:"en"`
	Suggestion string `json:"suggestion,omitempty" doc:"A value that may be meant instead" example:"12.2389, 109.1967"`
	Current    any    `json:"current,omitempty" doc:"For a conflict what stands there now: a Site, Device, Installation or Holder"`
}

// RowStatus is what became of a row of an import.
type RowStatus string

// The statuses of rows.
const (
	RowImported  RowStatus = "imported"  // what was new of it is in the registry
	RowUpdated   RowStatus = "updated"   // what is known was changed to what it says
	RowUnchanged RowStatus = "unchanged" // the registry had all that it says
	RowOK        RowStatus = "ok"        // it would be imported or updated, and was not because of other rows or because it is a dry run
	RowFailed    RowStatus = "failed"
)

// RowResult is what became of a row.
type RowResult struct {
	Row    int              `json:"row" doc:"Line of the sheet, the header being 1"`
	Status RowStatus        `json:"status" enum:"imported,updated,unchanged,ok,failed"`
	Device telemetry.Device `json:"device,omitempty"`
	Site   telemetry.Site   `json:"site,omitempty"`
	Errors []RowFault       `json:"errors,omitempty"`
}

// RowFault is one thing that is wrong with a row.
type RowFault struct {
	Column     string `json:"column,omitempty" doc:"The header as the file has it" example:"Vĩ độ"`
	Code       string `json:"code"`
	VI         string `json:"vi"`
	EN         string `json:"en"`
	Suggestion string `json:"suggestion,omitempty"`
}

// ImportResult is what came of an import.
type ImportResult struct {
	Committed bool        `json:"committed" doc:"Something is in the registry now"`
	DryRun    bool        `json:"dry_run,omitempty"`
	Rows      int         `json:"rows"`
	Imported  int         `json:"imported" doc:"Rows that were taken, new or updated; with dry_run those that would be"`
	Updated   int         `json:"updated,omitempty" doc:"Those of them that changed what was known"`
	Unchanged int         `json:"unchanged,omitempty" doc:"Rows of which the registry had everything"`
	Failed    int         `json:"failed"`
	Format    string      `json:"format" enum:"csv,xlsx"`
	Encoding  string      `json:"encoding,omitempty" doc:"utf-8, utf-16 or windows-1258, as was recognised; CSV only"`
	Columns   []Column    `json:"columns" doc:"How the header was understood"`
	Swapped   int         `json:"swapped,omitempty" doc:"Rows whose latitude and longitude seem to be swapped; fix_swapped=true takes them the other way round"`
	Results   []RowResult `json:"results" doc:"The failed rows, or with results=all every row"`
}

// ImportLine is a line of the answer to who wants to know how far an import has
// come. The last has the result or the problem.
type ImportLine struct {
	Done    int           `json:"done" doc:"Rows that were looked at"`
	Rows    int           `json:"rows"`
	Result  *ImportResult `json:"result,omitempty"`
	Problem *Problem      `json:"problem,omitempty"`
}

// Column is how a header was understood.
type Column struct {
	Header string `json:"header"`
	Field  string `json:"field,omitempty" doc:"Absent where it is not known; the column is ignored"`
}

// LabelInput asks for a sheet of labels.
type LabelInput struct {
	Devices      []telemetry.Device `json:"devices" minItems:"1" maxItems:"500"`
	IssueSecrets bool               `json:"issue_secrets,omitempty" doc:"Issue a new secret for each and put it into its QR; secrets from before stop working. They are in this answer and nowhere else"`
	Skip         int                `json:"skip,omitempty" minimum:"0" maximum:"23" doc:"Labels of the first sheet that are used already"`
	Why          string             `json:"why,omitempty"`
}
