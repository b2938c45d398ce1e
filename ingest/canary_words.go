package ingest

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// standing is what it means that a canary stands at a stage, and what to do.
type standing struct{ vi, en, todoVI, todoEN string }

// standings are by stage.
func standings() map[stage]standing {
	return map[stage]standing{
		stageSent: {
			"đã gửi, nhưng máy chủ MQTT không xác nhận", "sent, but the broker does not acknowledge it",
			"Kiểm tra máy chủ MQTT: còn chỗ trên ổ đĩa không, người dùng của cổng thu có quyền gửi lên chủ đề này không.",
			"Look at the broker: has its disk room, and may the gateway's user publish to this topic?"},
		stageAcked: {
			"máy chủ MQTT đã xác nhận, nhưng không chuyển lại cho cổng thu: các bản tin của thiết bị cũng có thể được xác nhận rồi bị mất",
			"the broker has acknowledged it and does not deliver it back to the gateway: what devices send may be acknowledged and lost too",
			"Phiên của cổng thu ở máy chủ có thể đã mất bộ nhận; cổng thu tự đăng ký lại. Nếu không hết: cấp cho người dùng của cổng thu quyền đọc bộ lọc và quyền ghi chủ đề nêu trên; không xóa gì trước khi sao lưu thư mục dữ liệu.",
			"The gateway's session at the broker may have lost its consumer; the gateway subscribes anew by itself. If it stays: grant the gateway's user to read the filter and to write the topic named above; delete nothing before the data folder is copied."},
		stageDelivered: {
			"đã về cổng thu, nhưng không vào được hàng chờ", "delivered to the gateway, but not in the journal",
			"Kiểm tra hàng chờ (/readyz) và ổ đĩa của nó; xem nhật ký vận hành của haidang.",
			"Look at the journal (/readyz) and its disk, and into haidang's log."},
		stageJournal: {
			"đã vào hàng chờ, nhưng bộ nạp không lấy ra: bộ nạp đứng yên, hoặc coi bản tin là đã xử lý", "in the journal, but the loader does not take it: it stands still, or takes the message for one it has dealt with",
			"Tiến trình nạp (haidang loader, hoặc haidang up) có chạy không? Khởi động lại nó. Không xóa hàng chờ: bản tin nằm trong đó.",
			"Does the loading process (haidang loader, or haidang up) run? Start it again. Do not delete the journal: the messages are in it."},
		stageTaken: {
			"bộ nạp đã lấy, nhưng kho dữ liệu không nhận", "taken by the loader, but the store has not accepted it",
			"Kiểm tra kho dữ liệu: một lần ghi có thể đang treo. Khởi động lại kho, rồi haidang.",
			"Look at the store: a write may hang. Start the store again, then haidang."},
		stageWritten: {
			"kho dữ liệu đã nhận, nhưng sổ cái không ghi", "accepted by the store, but the ledger does not count it",
			"Kiểm tra ổ đĩa của --data: sổ cái (ledger.db) không ghi được.",
			"Look at the disk of --data: the ledger (ledger.db) cannot write."},
		stageSettled: {
			"đã được tính là đã lưu, nhưng đọc lại không thấy trong kho dữ liệu", "counted as stored, but not in the store when it is read back",
			"Kiểm tra kho dữ liệu: nó nhận mà không giữ, hoặc không đọc được. Với --store influx: kiểm tra bucket, thời hạn lưu và quyền đọc.",
			"Look at the store: it accepts and does not keep, or cannot be read. With --store influx check bucket, retention and the right to read."},
		stageNone: {
			"không có bản tin nào của cổng thu này đến hàng chờ", "none of this gateway's comes into the journal",
			"Tiến trình của cổng thu (haidang gateway) và máy chủ MQTT của nó có chạy không? Xem /readyz của nó. Nếu cổng thu không còn dùng, hãy xóa nó khỏi tệp cấu hình hoặc đặt canary: false.",
			"Do the gateway's process (haidang gateway) and its broker run? Look at its /readyz. If the gateway is no more, take it out of the configuration or set canary: false."},
	}
}

// localTime is a time as people here read it, UTC+7 all year.
func localTime(t time.Time) string {
	return t.In(time.FixedZone("", 7*3600)).Format("2006-01-02 15:04:05")
}

// missing is the finding of a canary that does not get on.
func missing(p *path, f *flight) Finding {
	s := p.standing(f.stage)
	vi, en := p.who()
	whereVI, whereEN := p.where()
	n := Finding{
		Severity: "danger", NotReady: true,
		SummaryVI:     vi + ": bản tin tự kiểm tra không đến được kho dữ liệu",
		SummaryEN:     en + ": its message to itself does not reach the store",
		DescriptionVI: fmt.Sprintf("Bản tin gửi lúc %s%s: %s", localTime(f.sent), whereVI, s.vi),
		DescriptionEN: fmt.Sprintf("The one of %s%s: %s", localTime(f.sent), whereEN, s.en),
		RunbookVI:     s.todoVI, RunbookEN: s.todoEN,
	}
	if f.refusal != "" {
		n.DescriptionVI += ". Kho dữ liệu nói: " + f.refusal
		n.DescriptionEN += ". The store says: " + f.refusal
	}
	return n
}

// where names subscription and topic of a path.
func (p *path) where() (vi, en string) {
	if p.topic == "" {
		return "", ""
	}
	if p.route != nil {
		return " (chủ đề " + p.topic + ")", " (topic " + p.topic + ")"
	}
	return fmt.Sprintf(" (đăng ký %s, chủ đề %s)", p.filter, p.topic), fmt.Sprintf(" (subscription %s, topic %s)", p.filter, p.topic)
}

// noRight is the finding of a broker that delivers what devices send, and never a
// canary: most likely the gateway may not publish it. Messages do arrive.
func noRight(p *path) Finding {
	return Finding{
		Severity:      "watch",
		SummaryVI:     fmt.Sprintf("Cổng thu %s không gửi được bản tin tự kiểm tra", p.name),
		SummaryEN:     fmt.Sprintf("Gateway %s: its canary cannot be sent", p.name),
		DescriptionVI: fmt.Sprintf("Bản tin của thiết bị vẫn đến qua %s, nhưng chưa bản tin tự kiểm tra nào gửi lên %s quay lại; vì vậy không có gì chứng minh rằng mọi bản tin được xác nhận đều đến nơi", p.filter, p.topic),
		DescriptionEN: fmt.Sprintf("What devices send arrives through %s, but no canary sent to %s has come back; so nothing proves that all that is acknowledged arrives", p.filter, p.topic),
		RunbookVI:     fmt.Sprintf("Cấp cho người dùng của cổng thu quyền gửi (ghi) lên chủ đề %s ở máy chủ MQTT, hoặc đặt canary: false cho cổng thu này trong tệp cấu hình.", p.topic),
		RunbookEN:     fmt.Sprintf("Grant the gateway's user to publish (write) to %s at the broker, or set canary: false for this gateway in the configuration.", p.topic),
	}
}

// cutOff is the finding of a broker that ends the connection at each canary.
func cutOff(p *path) Finding {
	n := noRight(p)
	n.DescriptionVI = fmt.Sprintf("Máy chủ MQTT ngắt kết nối mỗi khi bản tin tự kiểm tra được gửi lên %s; một giờ nữa mới gửi lại", p.topic)
	n.DescriptionEN = fmt.Sprintf("The broker ends the connection whenever a canary is sent to %s; the next is sent in an hour", p.topic)
	return n
}

// loss is the finding of canaries that were acknowledged and are lost.
func loss(p *path, l telemetry.Locality, to time.Time) Finding {
	n, from, until := p.lost, localTime(p.lostSince), localTime(to)
	vi, en := p.who()
	whereVI, whereEN := p.where()
	return Finding{
		Rule: lossRule, Severity: "danger", Locality: l, Device: telemetry.Device(p.name), Lasting: true, Value: float64(n),
		SummaryVI:     vi + ": bản tin đã được xác nhận rồi bị mất",
		SummaryEN:     en + ": messages were acknowledged and lost",
		DescriptionVI: fmt.Sprintf("%d bản tin tự kiểm tra từ %s đến %s%s đã được xác nhận (PUBACK) nhưng không bao giờ đến; bản tin của thiết bị trong thời gian đó cũng có thể đã mất", n, from, until, whereVI),
		DescriptionEN: fmt.Sprintf("%d of its messages to itself from %s to %s%s were acknowledged and never arrived; what devices sent in that time may be lost as well", n, from, until, whereEN),
		RunbookVI:     "Đối chiếu số liệu của thời gian này với bộ nhớ của thiết bị và gửi lại nếu còn; rồi xác nhận cảnh báo này.",
		RunbookEN:     "Compare this time's readings with what the devices remember, and have them send it again where they do; then acknowledge this alarm.",
	}
}
