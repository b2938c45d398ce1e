package alarm

import (
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// alarmOfFinding is a finding as people are told of it. The alarms of the platform
// itself have its site, and where they are about the process its locality and device.
func alarmOfFinding(f ingest.Finding) ingest.Alarm {
	a := ingest.Alarm{
		Rule: f.Rule, Severity: f.Severity, Kind: telemetry.Platform, Locality: f.Locality, Site: telemetry.PlatformSite, Device: f.Device,
		Value: f.Value, Worst: f.Value, Unit: f.Unit, Basis: "operational", Reference: "Hải Đăng", Since: f.Since.UTC(), Raised: f.Since.UTC(),
		SummaryVI: f.SummaryVI, SummaryEN: f.SummaryEN, DescriptionVI: f.DescriptionVI, DescriptionEN: f.DescriptionEN,
		RunbookVI: f.RunbookVI, RunbookEN: f.RunbookEN, Lasting: f.Lasting, NotReady: f.NotReady,
	}
	if a.Locality == "" {
		a.Locality = telemetry.Locality(telemetry.PlatformSite)
	}
	if a.Device == "" {
		a.Device = telemetry.ComputedBy
	}
	return a
}

// findingOf is the finding of an earlier run that an alarm tells of.
func findingOf(a ingest.Alarm) ingest.Finding {
	f := ingest.Finding{
		Rule: a.Rule, Severity: a.Severity, Locality: a.Locality, Device: a.Device, Value: a.Value, Unit: a.Unit, Since: a.Since,
		SummaryVI: a.SummaryVI, SummaryEN: a.SummaryEN, DescriptionVI: a.DescriptionVI, DescriptionEN: a.DescriptionEN,
		RunbookVI: a.RunbookVI, RunbookEN: a.RunbookEN, Lasting: a.Lasting, NotReady: a.NotReady,
	}
	if f.Locality == telemetry.Locality(telemetry.PlatformSite) {
		f.Locality = ""
	}
	if f.Device == telemetry.ComputedBy {
		f.Device = ""
	}
	return f
}
