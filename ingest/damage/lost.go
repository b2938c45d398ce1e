package damage

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// JournalStream and mailbox are the streams whose loss is somebody's message: the
// journal's records, and what is acknowledged to a device and waits for a gateway.
const (
	JournalStream = "HAIDANG_JOURNAL"
	mailbox       = "$MQTT_msgs"
)

func streamName(stream string) word {
	switch stream {
	case JournalStream:
		return word{"hàng chờ (journal)", "the journal"}
	case mailbox:
		return word{"bản tin MQTT đang chờ cổng nhận", "MQTT messages that wait for a gateway"}
	}
	return word{"luồng " + stream + " của broker", "the broker's stream " + stream}
}

// StreamLoss is what a stream of the broker lost.
type StreamLoss struct {
	Stream string
	// Records cannot be read, or are gone from its end where Cut; Messages are how many
	// messages of devices were in them, 0 if that is not known.
	Records, Messages uint64
	Cut               bool
	// At is when the stream was known to be whole, if Cut.
	At time.Time
	// Description is a file of settings that is damaged; else empty.
	Description string
	// Aside is where the damaged files are kept.
	Aside string
}

// StreamLost tells of it.
func StreamLost(l StreamLoss) ingest.Finding {
	name := streamName(l.Stream)
	f := ingest.Finding{
		Rule: RuleStream, Device: telemetry.Device(strings.TrimPrefix(l.Stream, "$")), Severity: "extreme", Lasting: true, Value: float64(max(l.Messages, l.Records)),
		SummaryVI: "Mất dữ liệu: " + name.vi, SummaryEN: "Lost: of " + name.en,
		RunbookVI: "Kiểm tra ổ đĩa (dmesg, smartctl). Hỏi lại thiết bị có bộ nhớ để gửi lại khoảng thời gian này; chạy haidang audit; rồi xác nhận cảnh báo",
		RunbookEN: "Look at the disk (dmesg, smartctl). Have devices with a memory send this time again; run haidang audit; then acknowledge this alarm",
	}
	if l.Stream != JournalStream && l.Stream != mailbox {
		f.Severity = "danger"
	}
	messages := word{}
	if l.Messages > 0 {
		messages = word{fmt.Sprintf(" với %d bản tin", l.Messages), fmt.Sprintf(" with %d messages", l.Messages)}
	}
	switch {
	case l.Description != "":
		f.DescriptionVI = "Tệp cấu hình bị hỏng: " + l.Description + ". Máy chủ không mở những gì nó mô tả"
		f.DescriptionEN = "A file of settings is damaged: " + l.Description + ". The server does not open what it describes"
		f.RunbookVI = "Dừng Hải Đăng và đặt lại thư mục broker/ từ bản sao lưu nếu có; nếu không, khởi động lại để tạo mới, rồi chạy haidang audit"
		f.RunbookEN = "Stop Hải Đăng and put the folder broker/ back from a backup if you have one; else restart, which makes it anew, and run haidang audit"
	case l.Records == 0:
		f.Severity = "watch"
		f.SummaryVI, f.SummaryEN = "Bị hỏng: "+name.vi, "Damaged: "+name.en
		f.DescriptionVI = "Phần bị hỏng chỉ gồm bản ghi đã xử lý xong: không mất bản tin nào"
		f.DescriptionEN = "Only records that had been dealt with were damaged: no message is lost"
		if l.Cut { // what came after the mark was cut off too, and nobody has counted it
			f.Severity = "warning"
			f.DescriptionVI = fmt.Sprintf("Phần cuối bị cắt. Những gì có lúc %s đều đã xử lý xong; nếu sau đó chương trình còn nhận bản tin rồi dừng đột ngột thì chúng đã mất: xem haidang audit", moment(l.At))
			f.DescriptionEN = fmt.Sprintf("Its end was cut off. All that was there at %s had been dealt with; what came after that, if the program was killed then, is lost: see haidang audit", moment(l.At))
		}
	case l.Cut:
		f.DescriptionVI = fmt.Sprintf("Phần cuối bị cắt: ít nhất %d bản ghi%s có lúc %s nay không còn", l.Records, messages.vi, moment(l.At))
		f.DescriptionEN = fmt.Sprintf("Its end was cut off: at least %d records%s that were there at %s are gone", l.Records, messages.en, moment(l.At))
	default:
		f.DescriptionVI = fmt.Sprintf("%d bản ghi%s không đọc được nữa; mọi bản ghi phía sau vẫn còn", l.Records, messages.vi)
		f.DescriptionEN = fmt.Sprintf("%d records%s cannot be read; all that come behind them are kept", l.Records, messages.en)
	}
	if l.Aside != "" {
		f.DescriptionVI += ". Tệp hỏng giữ tại " + l.Aside
		f.DescriptionEN += ". The damaged file is kept at " + l.Aside
	}
	return f
}

// ReadingsLoss is what the store lost of a log or a block.
type ReadingsLoss struct {
	// Where is the log (wal) or the block.
	Where string
	Block bool
	// Samples are how many values; Estimated says that they could not be counted.
	Samples   uint64
	Estimated bool
	From, To  time.Time
	Sites     []string
	// What is wrong, in the words of whoever found it; WhatVI too, where these are ours.
	What, WhatVI string
	Aside        string
}

// ReadingsLost tells of it.
func ReadingsLost(l ReadingsLoss) ingest.Finding {
	f := ingest.Finding{Rule: RuleLog, Device: telemetry.Device(strings.ReplaceAll(l.Where, "/", "-")), Severity: "danger", Lasting: true, Value: float64(l.Samples),
		SummaryVI: "Kho dữ liệu mất số liệu: nhật ký " + l.Where, SummaryEN: "The store lost readings: log " + l.Where,
		RunbookVI: "Kiểm tra ổ đĩa (dmesg, smartctl). Biểu đồ của khoảng thời gian này có thể thiếu; hỏi lại thiết bị có bộ nhớ, hoặc phát lại băng ghi; rồi xác nhận cảnh báo",
		RunbookEN: "Look at the disk (dmesg, smartctl). Charts of this time may lack readings; have devices with a memory send it again, or replay a tape; then acknowledge this alarm"}
	if l.Block {
		f.Rule, f.SummaryVI, f.SummaryEN = RuleBlock, "Kho dữ liệu mất số liệu: khối "+l.Where, "The store lost readings: block "+l.Where
	}
	about := word{}
	if l.Estimated {
		about = word{"khoảng ", "about "}
	}
	f.DescriptionVI = fmt.Sprintf("Tới %s%d giá trị%s%s không đọc được: %s", about.vi, l.Samples, span(l.From, l.To, " từ ", " đến "), sites(l.Sites, " của các điểm đo "), cmp.Or(l.WhatVI, l.What))
	f.DescriptionEN = fmt.Sprintf("Up to %s%d values%s%s cannot be read: %s", about.en, l.Samples, span(l.From, l.To, " from ", " to "), sites(l.Sites, " of the sites "), l.What)
	if l.Aside != "" {
		f.DescriptionVI += ". Tệp hỏng giữ tại " + l.Aside
		f.DescriptionEN += ". The damaged file is kept at " + l.Aside
	}
	return f
}

func span(from, to time.Time, fromText, toText string) string {
	switch {
	case from.IsZero() && to.IsZero():
		return ""
	case to.IsZero():
		return fromText + moment(from)
	}
	return fromText + moment(from) + toText + moment(to)
}

// mostSites is how many sites are named.
const mostSites = 10

func sites(all []string, before string) string {
	if len(all) == 0 {
		return ""
	}
	text := strings.Join(all[:min(len(all), mostSites)], ", ")
	if more := len(all) - mostSites; more > 0 {
		text += fmt.Sprintf(" (+%d)", more)
	}
	return before + text
}
