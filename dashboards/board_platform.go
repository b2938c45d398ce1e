package dashboards

import "github.com/haidang-iot/haidang/ingest/telemetry"

// Platform is how Hải Đăng itself does: is every message accounted for, how late is
// what is stored, who is silent. Its figures are in the store like all others.
func Platform(p Province) Board {
	title := Text{"Nền tảng", "Platform"}
	return Board{
		ID: "platform", Title: title, Span: hour * 6,
		Description: Text{"Sổ cái bản tin, hàng chờ, độ trễ, cổng thu, thiết bị, kho dữ liệu.", "Ledger, journal, delay, gateways, devices, store."},
		Rows: []Row{
			{Panels: []Panel{missing(), queued(), lag(), gatewaysUp(), storeUp(), alarmsFiring().sized(4, 4)}},
			{Title: Text{"Sổ cái", "Ledger"}, Panels: []Panel{ledgerTable(), localityTable(), received(), outcomes(), quarantine()}},
			{Title: Text{"Hàng chờ và độ trễ", "Journal and delay"}, Panels: []Panel{journalSize(), journalAge(), eventDelay(), storeDelay()}},
			{Title: Text{"Cổng thu và thiết bị", "Gateways and devices"}, Panels: []Panel{gatewayStates(), presence(), silentSites().sized(12, 8), silentCourse()}},
			{Title: Text{"Kho dữ liệu và máy chủ", "Store and machine"}, Panels: []Panel{valuesStored(), storeErrors(), disk(), cpu(), memory(), certificate(), uptime()}},
		},
		Wall: []Row{heading(title),
			{Panels: []Panel{missing(), queued(), lag(), gatewaysUp(), storeUp(), alarmsFiring().sized(4, 4)}},
			{Panels: []Panel{received().sized(12, 10), eventDelay().sized(12, 10)}},
			{Panels: []Panel{presence().sized(12, 10), journalSize().sized(12, 10)}}},
	}
}

// figure is one of the platform's own, newest.
func figure(m telemetry.Metric, by Group) Query { return newest(telemetry.Platform, m, by, stale) }

func platformTile(vi, en string, q Query, v Tiles) Panel {
	return Panel{Title: Text{vi, en}, Width: 4, Height: 4, View: v, Queries: []Query{q}}
}

func missing() Panel {
	p := platformTile("Bản tin thất lạc", "Messages missing", figure(telemetry.MessagesMissing, Together).total().in(count()), Tiles{Ground: true, Steps: []Mapping{{0, 1, Text{}, sea}, {1, 2, Text{}, red}}})
	p.Description = Text{"Đã nhận − (đã lưu + trùng lặp + cách ly + đã loại bỏ + tự kiểm tra + đang chờ). Phải bằng 0.", "Received − (stored + duplicate + quarantined + discarded + canary + queued). It must be 0."}
	return p
}

func queued() Panel {
	return platformTile("Bản tin đang chờ", "Messages queued", figure(telemetry.MessagesQueued, Together).total().in(count()), Tiles{})
}

func lag() Panel {
	return platformTile("Độ trễ nhận–lưu, 95 %", "Received to stored, 95 %", figure(telemetry.StoreDelay95, Together).most(), Tiles{})
}

func gatewaysUp() Panel {
	p := platformTile("Cổng thu đang kết nối", "Gateways connected", figure(telemetry.GatewaysConnected, Together).most().in(count()).named("Kết nối", "Connected"), Tiles{Names: true})
	p.Queries = append(p.Queries, figure(telemetry.Gateways, Together).most().in(count()).named("Tổng số", "In all"))
	return p
}

func storeUp() Panel {
	p := platformTile("Kho dữ liệu", "Store", figure(telemetry.StoreUp, Together), Tiles{Ground: true})
	p.Mappings = []Mapping{{0, 0, Text{"▲ Không ghi được", "▲ Refuses"}, red}, {1, 1, Text{"● Hoạt động", "● Accepts"}, sea}}
	return p
}

func ledgerTable() Panel {
	q := func(m telemetry.Metric) Query { return figure(m, ByDevice).in(count()) }
	return Panel{Title: Text{"Sổ cái theo cổng thu", "Ledger by gateway"}, Width: 24, Height: 7, View: Table{Sort: 0},
		Description: Text{"Đã nhận = đã lưu + trùng lặp + cách ly + đã loại bỏ + tự kiểm tra + đang chờ.", "Received = stored + duplicate + quarantined + discarded + canary + queued."},
		Queries: []Query{q(telemetry.MessagesReceived), q(telemetry.MessagesStored), q(telemetry.MessagesPartial), q(telemetry.MessagesDuplicate),
			q(telemetry.MessagesQuarantined), q(telemetry.MessagesCanary), q(telemetry.MessagesQueued), q(telemetry.MessagesMissing)}}
}

// localityTable has a row for each locality, and one for what belongs to none.
func localityTable() Panel {
	q := func(m telemetry.Metric) Query { return figure(m, ByLocality).total().in(count()) }
	return Panel{Title: Text{"Sổ cái theo địa phương", "Ledger by locality"}, Width: 24, Height: 7, View: Table{Sort: 0},
		Description: Text{"Theo chủ đề của bản tin. (none): không thuộc địa phương nào; (earlier): đếm trước khi tách theo địa phương.", "By the messages' topics. (none): of no locality that there is; (earlier): counted before rows were kept."},
		Queries:     []Query{q(telemetry.LocalityStored), q(telemetry.LocalityDuplicate), q(telemetry.LocalityQuarantined), q(telemetry.LocalityDiscarded)}}
}

func platformLines(vi, en string, v Lines, qs ...Query) Panel {
	return Panel{Title: Text{vi, en}, Width: 12, Height: 8, View: v, Queries: qs}
}

func received() Panel {
	p := platformLines("Bản tin đã nhận theo cổng thu", "Messages received by gateway", Lines{Min: value(0), Stack: true, Fill: 20}, over(telemetry.Platform, telemetry.MessagesReceived, ByDevice).in(count()))
	p.Description = Text{"Số bản tin trong mỗi bước của biểu đồ.", "Messages within each step of the chart."}
	return p
}

func outcomes() Panel {
	q := func(m telemetry.Metric) Query { return over(telemetry.Platform, m, Together).total().in(count()) }
	p := platformLines("Kết quả xử lý", "What became of them", Lines{Min: value(0)}, q(telemetry.MessagesStored), q(telemetry.MessagesDuplicate))
	p.Description = Text{"Số bản tin trong mỗi bước của biểu đồ.", "Messages within each step of the chart."}
	return p
}

func quarantine() Panel {
	q := platformLines("Khu cách ly", "Quarantine", Lines{Min: value(0), Fill: 20, Legend: NoLegend}, over(telemetry.Platform, telemetry.QuarantineSize, Together).with(Max).most().in(count()))
	q.Width = 24
	return q
}

func journalSize() Panel {
	return platformLines("Dung lượng hàng chờ", "Journal size", Lines{Min: value(0)}, over(telemetry.Platform, telemetry.JournalBytes, Together).with(Max).most(),
		over(telemetry.Platform, telemetry.JournalMaxBytes, Together).with(Max).most())
}

func journalAge() Panel {
	return platformLines("Tuổi bản ghi cũ nhất trong hàng chờ", "Age of the oldest journal record", Lines{Min: value(0), Legend: NoLegend}, over(telemetry.Platform, telemetry.JournalAge, Together).with(Max).most())
}

func eventDelay() Panel {
	q := func(m telemetry.Metric, name string) Query {
		return over(telemetry.Platform, m, Together).with(Max).most().named(name, name)
	}
	return platformLines("Độ trễ từ lúc đo đến lúc lưu", "Delay from measured to stored", Lines{}, q(telemetry.EventDelay50, "50 %"), q(telemetry.EventDelay95, "95 %"), q(telemetry.EventDelay99, "99 %"))
}

func storeDelay() Panel {
	q := func(m telemetry.Metric, name string) Query {
		return over(telemetry.Platform, m, Together).with(Max).most().named(name, name)
	}
	return platformLines("Độ trễ từ lúc nhận đến lúc lưu", "Delay from received to stored", Lines{Min: value(0)}, q(telemetry.StoreDelay50, "50 %"), q(telemetry.StoreDelay95, "95 %"), q(telemetry.StoreDelay99, "99 %"))
}

func gatewayStates() Panel {
	return Panel{Title: Text{"Kết nối của cổng thu", "Gateways' connections"}, Width: 12, Height: 8, View: Timeline{}, Mappings: []Mapping{{0, 0, Text{"▲ Mất kết nối", "▲ Disconnected"}, red}, {1, 1, Text{"● Kết nối", "● Connected"}, sea}},
		Queries: []Query{over(telemetry.Platform, telemetry.GatewayConnected, ByDevice).with(Min)}}
}

func presence() Panel {
	q := func(m telemetry.Metric) Query {
		return over(telemetry.Platform, m, Together).with(Max).most().in(count())
	}
	return platformLines("Thiết bị theo tình trạng", "Devices by state", Lines{Min: value(0), Stack: true, Fill: 40, Colours: []string{sea, deep, amber, orange, grey}},
		q(telemetry.DevicesFresh), q(telemetry.DevicesWaiting), q(telemetry.DevicesLate), q(telemetry.DevicesSilent), q(telemetry.DevicesMuted))
}

func silentCourse() Panel {
	return platformLines("Thiết bị mất tín hiệu theo địa phương", "Silent devices by locality", Lines{Min: value(0)}, over(telemetry.SiteState, telemetry.SilentDevices, ByLocality).with(Max).total().in(count()))
}

func valuesStored() Panel {
	return platformLines("Giá trị đã lưu", "Values stored", Lines{Min: value(0), Fill: 20, Legend: NoLegend}, over(telemetry.Platform, telemetry.ValuesStored, Together).total().in(count()))
}

func storeErrors() Panel {
	return platformLines("Lỗi ghi kho dữ liệu", "Store errors", Lines{Min: value(0), Bars: true, Legend: NoLegend, Colours: []string{red}}, over(telemetry.Platform, telemetry.StoreErrors, Together).total().in(count()))
}

func disk() Panel {
	return platformLines("Ổ đĩa", "Disk", Lines{Min: value(0)}, over(telemetry.Platform, telemetry.DiskFree, Together).with(Min), over(telemetry.Platform, telemetry.DiskSize, Together).with(Max))
}

func cpu() Panel {
	return platformLines("CPU", "CPU", Lines{Min: value(0), Legend: NoLegend}, over(telemetry.Platform, telemetry.CPU, Together))
}

func memory() Panel {
	return platformLines("Bộ nhớ", "Memory", Lines{Min: value(0), Legend: NoLegend}, over(telemetry.Platform, telemetry.Memory, Together))
}

func certificate() Panel {
	p := platformTile("Chứng thư số còn hạn (ngày)", "Certificate valid for (days)", figure(telemetry.CertificateLeft, Together), Tiles{})
	p.Width, p.Height = 6, 8
	p.MayBeEmpty = Text{"Trống khi không dùng chứng thư số.", "Empty where no certificate is used."}
	return p
}

func uptime() Panel {
	p := platformTile("Thời gian hoạt động", "Uptime", figure(telemetry.Uptime, Together).in(&Unit{"s", "dtdhms", 0}), Tiles{})
	p.Width, p.Height = 6, 8
	return p
}
