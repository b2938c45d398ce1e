package rules

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

// index is the categories of VN_AQI that are worse than moderate.
func index() (out []Rule) {
	for i, c := range vnaqi.Categories()[2:] {
		out = append(out, Rule{
			ID: fmt.Sprintf("vnaqi-%d", c.From), Value: float64(c.From), Severity: min(limits.Severity(i+1), limits.Extreme),
			Compared: Compared{Kind: telemetry.AirQualityIndex, Metric: telemetry.VNAQI, Statistic: limits.Last, Window: 2 * time.Hour, Cadence: time.Hour, Computed: true},
			Every:    time.Minute,
			Name:     both("VN_AQI "+c.NameVI+" trở lên", "VN_AQI "+c.NameEN+" or worse"),
			Hint:     hint(telemetry.AirQualityIndex), Basis: limits.Law, Reference: both("Quyết định 1459/QĐ-TCMT", "Decision 1459/QĐ-TCMT"),
		})
	}
	return out
}

// own is the beginning of a rule on what Hải Đăng tells of itself; it rests on no
// regulation.
func own(id string, k telemetry.Kind, m telemetry.Metric, value float64, unit string, s limits.Severity, vi, en string) Rule {
	return Rule{ID: id, Value: value, Unit: unit, Severity: s, Every: time.Minute, For: 2 * time.Minute, Basis: limits.Operational,
		Reference: both("Hải Đăng", "Hải Đăng"), Name: both(vi, en),
		Compared: Compared{Kind: k, Metric: m, Statistic: limits.Last, Window: 5 * time.Minute, Cadence: time.Minute, Computed: true}}
}

// silence is devices and sites that are not heard. The judge of silence has
// already waited for ten of their cadences.
func silence() []Rule {
	field := both("Xem các thiết bị cùng cổng thu; nếu chỉ một, kiểm tra nguồn và sóng tại chỗ.",
		"Look at the devices behind the same gateway; if it is one alone, check power and radio on the spot.")
	device := own("device-silent", telemetry.SiteState, telemetry.SilentDevices, 1, "", limits.Watch, "Thiết bị mất tín hiệu", "Silent device")
	site := own("site-silent", telemetry.SiteState, telemetry.SilentDevices, 1, "", limits.Warning, "Điểm đo mất tín hiệu hoàn toàn", "Site wholly silent")
	site.Compared.Of = telemetry.DeviceCount
	device.Hint, site.Hint = field, field
	return []Rule{device, site}
}

// platform is what must not go wrong with Hải Đăng itself.
func platform() []Rule {
	const k = telemetry.Platform
	below := func(r Rule) Rule { r.Below, r.Strict = true, true; return r }
	lasting := func(r Rule, d time.Duration) Rule { r.For = d; return r }
	hinted := func(r Rule, vi, en string) Rule { r.Hint = both(vi, en); return r }
	audit := func(r Rule) Rule {
		return hinted(r, "Chạy haidang audit và xem bản ghi hoạt động của loader.", "Run haidang audit and look into the loader's log.")
	}
	journal := func(r Rule) Rule {
		return hinted(r, "Kiểm tra kho dữ liệu và tải của máy; bản tin không mất, chỉ chờ trong hàng chờ.", "Check the store and the machine's load; nothing is lost, it waits in the journal.")
	}
	disk := func(r Rule) Rule {
		r.Compared.Of = telemetry.DiskSize
		return below(hinted(r, "Giải phóng ổ đĩa, hoặc giảm --retention.", "Make room on the disk, or lower --retention."))
	}
	certificate := func(r Rule) Rule {
		return below(hinted(r, "Gia hạn chứng thư số; cặp tệp mới được dùng ngay, không cần khởi động lại.", "Renew the certificate; the new pair is used at once, without a restart."))
	}
	return []Rule{
		lasting(journal(own("platform-lag", k, telemetry.StoreDelay95, 60, "s", limits.Warning, "Lưu dữ liệu chậm (95 %)", "Readings are stored late (95 %)")), 5*time.Minute),
		journal(own("journal-age", k, telemetry.JournalAge, 300, "s", limits.Warning, "Bản tin chờ lâu trong hàng chờ", "Messages wait long in the journal")),
		journal(own("journal-age-hour", k, telemetry.JournalAge, 3600, "s", limits.Danger, "Bản tin chờ quá một giờ trong hàng chờ", "Messages wait over an hour in the journal")),
		lasting(audit(own("ledger-missing", k, telemetry.MessagesMissing, 1, "", limits.Danger, "Sổ cái không khớp: thiếu bản tin", "The ledger does not balance: messages are missing")), 5*time.Minute),
		lasting(audit(below(own("ledger-surplus", k, telemetry.MessagesMissing, 0, "", limits.Danger, "Sổ cái không khớp: thừa bản tin", "The ledger does not balance: more accounted for than received"))), 5*time.Minute),
		hinted(below(own("gateway-down", k, telemetry.GatewayConnected, 1, "", limits.Danger, "Cổng thu không nhận bản tin", "A gateway takes no messages")),
			"Xem /readyz và nhật ký vận hành: cổng door nhận thẳng từ thiết bị, cổng khác nhận từ máy chủ MQTT; kiểm tra máy chủ đó và mạng. Bản tin chờ ở thiết bị hoặc ở máy chủ đó.",
			"Look at /readyz and the log: door takes from devices themselves, another gateway from a broker; check that and the network. Messages wait in the devices or there."),
		hinted(below(own("store-away", k, telemetry.StoreUp, 1, "", limits.Danger, "Kho dữ liệu không nhận dữ liệu", "The store does not accept readings")),
			"Kiểm tra kho dữ liệu và ổ đĩa của nó; bản tin chờ trong hàng chờ.", "Check the store and its disk; messages wait in the journal."),
		disk(own("disk-10", k, telemetry.DiskFree, 0.10, "", limits.Warning, "Ổ đĩa sắp đầy", "The disk is nearly full")),
		disk(own("disk-3", k, telemetry.DiskFree, 0.03, "", limits.Danger, "Ổ đĩa còn dưới 3 %", "Less than 3 % of the disk is free")),
		certificate(own("certificate-21", k, telemetry.CertificateLeft, 21, "d", limits.Watch, "Chứng thư số sắp hết hạn", "The certificate ends soon")),
		certificate(own("certificate-7", k, telemetry.CertificateLeft, 7, "d", limits.Danger, "Chứng thư số hết hạn trong 7 ngày", "The certificate ends within 7 days")),
	}
}
