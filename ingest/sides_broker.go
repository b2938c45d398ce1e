package ingest

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// BrokerSide is what a broker that is another program has told a gateway of itself.
type BrokerSide struct {
	Name string `json:"name,omitempty" doc:"What it calls itself; absent where it does not say"`
	// Dropped is what it has dropped since Since, as far as it was seen; nil is not known,
	// and Problem says why.
	Dropped *uint64   `json:"dropped" doc:"Messages that the broker says to have dropped since dropped_since, for all its clients, not only ours; null: not known"`
	Since   time.Time `json:"dropped_since,omitzero"`
	Problem string    `json:"problem,omitempty"`
	// Restarts is how often it was seen to have been started anew, Forgotten how often it
	// had no session of the gateway any more.
	Restarts  uint64 `json:"restarts" doc:"How often the broker was seen to have been started anew"`
	Forgotten uint64 `json:"sessions_lost" doc:"How often the broker had lost the gateway's session, and what waited in it"`
}

// BrokerBook is what is remembered of what a gateway's broker has told.
type BrokerBook struct {
	URL  string `json:"url"`
	Name string `json:"name,omitempty"`
	// Dropped is its own count and Uptime since when it ran, at Asked; DroppedKnown says
	// that it ever told. Total is what it has dropped since Since.
	Dropped      uint64        `json:"dropped"`
	DroppedKnown bool          `json:"dropped_known"`
	Uptime       time.Duration `json:"uptime"`
	Asked        time.Time     `json:"asked"`
	Total        uint64        `json:"total"`
	Since        time.Time     `json:"since"`
	Restarts     uint64        `json:"restarts"`
	// Session says that it has had a session of the gateway; Fresh is how many it had to
	// begin for the gateway's run that began at Run. Forgotten is how many were lost.
	Session   bool      `json:"session"`
	Run       time.Time `json:"run"`
	Fresh     uint64    `json:"fresh"`
	Forgotten uint64    `json:"forgotten"`
}

const (
	ruleBrokerDropped = "broker-dropped"
	ruleBrokerForgot  = "broker-forgot"
	// uptimeSlack is by how much what a broker tells of its uptime may be older than the
	// moment it is asked; it tells every ten seconds unless that is set otherwise.
	uptimeSlack = 10 * time.Minute
)

// note takes what a gateway knows of its broker into the book.
func (b *BrokerBook) note(w BrokerWord) {
	if b.URL != w.URL {
		*b = BrokerBook{URL: w.URL}
	}
	if w.Name != "" {
		b.Name = w.Name
	}
	if w.Connections > 0 {
		if !b.Run.Equal(w.Since) {
			b.Run, b.Fresh = w.Since, 0
		}
		fresh := w.Fresh - min(w.Fresh, b.Fresh)
		if fresh > 0 && !b.Session {
			fresh-- // its first
		}
		b.Session, b.Fresh = true, w.Fresh
		b.Forgotten += fresh
	}
	if w.Dropped != nil && w.Asked.After(b.Asked) {
		b.count(w)
	}
}

// count takes a new answer.
func (b *BrokerBook) count(w BrokerWord) {
	n := *w.Dropped
	again := n < b.Dropped || w.Uptime < b.Uptime || w.Uptime > 0 && w.Uptime+uptimeSlack < b.Uptime+w.Asked.Sub(b.Asked)
	switch {
	case !b.DroppedKnown:
		b.Since = w.Asked
	case again:
		b.Restarts++
		b.Total += n
	default:
		b.Total += n - b.Dropped
	}
	b.Dropped, b.DroppedKnown, b.Uptime, b.Asked = n, true, w.Uptime, w.Asked
}

// side is what the book and the newest word come to.
func (b BrokerBook) side(w BrokerWord) *BrokerSide {
	s := &BrokerSide{Name: b.Name, Problem: w.Problem, Restarts: b.Restarts, Forgotten: b.Forgotten}
	if w.Dropped != nil {
		s.Dropped, s.Since = &b.Total, b.Since
	}
	return s
}

// readBroker notes what a gateway's broker has told of itself, if it is another program.
func (s *Sides) readBroker(r *reading) {
	if s.Brokers[r.side.Gateway] == nil {
		return
	}
	w := s.Brokers[r.side.Gateway]()
	if w.URL == "" {
		return
	}
	r.book.Broker.note(w)
	r.side.Broker = r.book.Broker.side(w)
}

// findBroker reports what a broker has dropped or forgotten, as find does. told are the
// brokers whose drops another gateway has reported: the count is the same for all.
func (s *Sides) findBroker(r reading, before BrokerBook, told map[string]bool) {
	if r.side.Broker == nil {
		return
	}
	g, b, settled, first := r.side.Gateway, r.book.Broker, sumSettlements(s.Books.Settlements()), s.lookedAt.IsZero()
	if n := settled.side(LackDropped, g, b.Total); n > 0 && !told[b.URL] && (first || b.Total > before.Total) {
		s.Findings.Report(brokerDropped(g, n, b))
	}
	if b.DroppedKnown {
		told[b.URL] = true
	}
	if n := settled.side(LackSession, g, b.Forgotten); n > 0 && (first || b.Forgotten > before.Forgotten) {
		s.Findings.Report(brokerForgot(g, n, b))
	}
}

func (b BrokerBook) words() (vi, en string) {
	if b.Name == "" {
		return "Máy chủ MQTT " + b.URL, "The broker " + b.URL
	}
	return fmt.Sprintf("Máy chủ MQTT %s (%s)", b.URL, b.Name), fmt.Sprintf("The broker %s (%s)", b.URL, b.Name)
}

func brokerDropped(gateway string, n int64, b BrokerBook) Finding {
	vi, en := b.words()
	return Finding{
		Rule: ruleBrokerDropped, Severity: "danger", Device: telemetry.Device(gateway), Value: float64(n), Lasting: true,
		SummaryVI:     fmt.Sprintf("Máy chủ MQTT đã bỏ %d bản tin trước cổng thu", n),
		SummaryEN:     fmt.Sprintf("The broker has dropped %d messages before the gateways", n),
		DescriptionVI: fmt.Sprintf("%s báo đã bỏ %d bản tin vì hàng đợi đầy. Số này tính cho mọi máy khách của nó, không riêng cổng thu; bản tin mà nó đã xác nhận (PUBACK) với thiết bị rồi bỏ thì không sổ nào của hệ thống thấy được.", vi, n),
		DescriptionEN: fmt.Sprintf("%s says that it has dropped %d messages because a queue was full. It counts for all its clients, not only for the gateways; what it has acknowledged to a device (PUBACK) and then dropped is in no count of this system.", en, n),
		RunbookVI:     "Mosquitto: đặt max_queued_messages 1000000000, max_queued_bytes 0 và persistence true trong mosquitto.conf rồi khởi động lại (tệp durability.conf do haidang devices mosquitto ghi ra có đủ); EMQX: mqtt.max_mqueue_len = infinity. Bảng trong docs/brokers.md. Cho thiết bị còn lưu số đo gửi lại, rồi xác nhận cảnh báo này.",
		RunbookEN:     "Mosquitto: set max_queued_messages 1000000000, max_queued_bytes 0 and persistence true in mosquitto.conf and start it again (haidang devices mosquitto writes them as durability.conf); EMQX: mqtt.max_mqueue_len = infinity. docs/brokers.md has a table. Have devices that still hold readings send them again, then acknowledge this alarm.",
	}
}

func brokerForgot(gateway string, n int64, b BrokerBook) Finding {
	vi, en := b.words()
	return Finding{
		Rule: ruleBrokerForgot, Severity: "danger", Device: telemetry.Device(gateway), Value: float64(n), Lasting: true,
		SummaryVI:     fmt.Sprintf("Máy chủ MQTT đã quên phiên của cổng thu %s", gateway),
		SummaryEN:     fmt.Sprintf("The broker has forgotten the session of gateway %s", gateway),
		DescriptionVI: fmt.Sprintf("%s không còn phiên của cổng thu %s khi cổng kết nối lại (%d lần). Những gì đang chờ trong phiên đã mất, cùng những gì nó xác nhận với thiết bị từ lúc đó đến lúc cổng đăng ký lại; bao nhiêu thì không biết được.", vi, gateway, n),
		DescriptionEN: fmt.Sprintf("%s had no session of gateway %s any more when that connected again (times: %d). What waited in it is lost, and what it acknowledged to devices from then until the gateway had subscribed anew; how much cannot be known.", en, gateway, n),
		RunbookVI:     "Máy chủ MQTT phải giữ phiên qua khởi động lại và không được cho phiên hết hạn: Mosquitto cần persistence true và autosave_interval (xem durability.conf và docs/brokers.md). Xem ai đã xóa phiên hay thư mục dữ liệu của nó, rồi xác nhận cảnh báo này.",
		RunbookEN:     "The broker must keep sessions over a restart and let none expire: Mosquitto needs persistence true and autosave_interval (see durability.conf and docs/brokers.md). See who has deleted the session or its data folder, then acknowledge this alarm.",
	}
}
