package damage

import (
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// The rules of findings. Where a rule is about one of several things, Device names it.
const (
	// RuleFile is a malformed SQLite file, while it is; RuleMended what was done about
	// one at the start.
	RuleFile   = "damage-file"
	RuleMended = "damage-mended"
	// RuleBackup is a backup that could not be made, until one could.
	RuleBackup = "backup-failed"
	// RuleStream is a stream of the broker that lost messages.
	RuleStream = "damage-stream"
	// RuleLog is a log of the store that lost readings, RuleBlock a block of it.
	RuleLog   = "damage-log"
	RuleBlock = "damage-block"
	// RuleGone is a folder that is not there any more.
	RuleGone = "damage-gone"
	// RuleMarks says that marks cannot be written or read: a cut would not be noticed.
	RuleMarks = "damage-marks"
	// RuleMarksLost says that what the folder held before is not known, RuleEmpty that a
	// part begins with nothing beside others that do not, RuleCount that a gateway's own
	// count begins anew.
	RuleMarksLost = "damage-marks-lost"
	RuleEmpty     = "damage-empty"
	RuleCount     = "damage-count"
)

// word is a part's name in both languages.
type word struct{ vi, en string }

func partName(part string) word {
	switch part {
	case "ledger":
		return word{"sổ cái (ledger.db)", "the ledger (ledger.db)"}
	case "registry":
		return word{"sổ đăng ký thiết bị (registry.db)", "the registry (registry.db)"}
	case "broker":
		return word{"thư mục broker/ (hàng chờ)", "the folder broker/ (the journal)"}
	case "sessions":
		return word{"các phiên MQTT (door/sessions.db)", "the MQTT sessions (door/sessions.db)"}
	case "store":
		return word{"thư mục store/ (kho dữ liệu)", "the folder store/ (the store)"}
	}
	return word{part, part}
}

// first is the first of a list, and how many more there are.
func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	if len(all) == 1 {
		return all[0]
	}
	return fmt.Sprintf("%s (+%d)", all[0], len(all)-1)
}

// moment is a time as both languages show it, in Vietnam's.
func moment(t time.Time) string {
	return t.In(time.FixedZone("+07", 7*3600)).Format("2006-01-02 15:04:05")
}

// FileDamaged tells of an SQLite file that is damaged while it is in use.
func FileDamaged(part string, problems []string) ingest.Finding {
	p := partName(part)
	return ingest.Finding{
		Rule: RuleFile, Device: telemetry.Device(part), Severity: "extreme", Value: float64(len(problems)), NotReady: true,
		SummaryVI:     "Tệp bị hỏng: " + p.vi,
		SummaryEN:     "Damaged file: " + p.en,
		DescriptionVI: "SQLite báo trang dữ liệu bị hỏng: " + first(problems) + ". Bản tin vẫn được nhận vào hàng chờ; những gì đọc từ trang hỏng thì không trả lời được",
		DescriptionEN: "SQLite finds malformed pages: " + first(problems) + ". Messages are still taken into the journal; what is read from such a page cannot be answered",
		RunbookVI:     "Khởi động lại Hải Đăng: khi khởi động, tệp hỏng được cất sang bên, mọi dòng còn đọc được được cứu, phần còn lại lấy từ bản sao lưu mỗi giờ. Kiểm tra ổ đĩa (dmesg, smartctl) trước",
		RunbookEN:     "Restart Hải Đăng: the start sets the damaged file aside, saves every row that can be read and takes the rest from the hourly backup. Look at the disk first (dmesg, smartctl)",
	}
}

// FileGone tells of one that is not there any more. A process that has it open goes on
// with what is no file any more.
func FileGone(part string) ingest.Finding {
	f := FileDamaged(part, nil)
	p := partName(part)
	f.SummaryVI, f.SummaryEN = "Tệp đã biến mất: "+p.vi, "File gone: "+p.en
	f.DescriptionVI, f.DescriptionEN = "Tệp từng có ở đây, nay không còn", "It was here and is not any more"
	f.RunbookVI = "Khởi động lại Hải Đăng: khi khởi động, tệp được lấy lại từ bản sao lưu mỗi giờ"
	f.RunbookEN = "Restart Hải Đăng: the start takes it from the hourly backup"
	return f
}

// FileMended tells what was done about a file at the start.
func FileMended(m Mended, now time.Time) ingest.Finding {
	p := partName(m.Part)
	f := ingest.Finding{Rule: RuleMended, Device: telemetry.Device(m.Part), Severity: "danger", Lasting: true,
		SummaryVI: "Đã phục hồi " + p.vi, SummaryEN: "Restored: " + p.en,
		RunbookVI: "Kiểm tra ổ đĩa (dmesg, smartctl). Chạy haidang audit và xem lại các thay đổi gần đây; rồi xác nhận cảnh báo này",
		RunbookEN: "Look at the disk (dmesg, smartctl). Run haidang audit and look through what was changed last; then acknowledge this alarm"}
	var vi, en []string
	if m.Gone {
		vi, en = append(vi, "Tệp đã biến mất"), append(en, "The file was gone")
	} else {
		vi = append(vi, "Tệp bị hỏng ("+first(m.Problems)+"), nay giữ tại "+m.Aside)
		en = append(en, "The file was damaged ("+first(m.Problems)+") and is kept as "+m.Aside)
	}
	rows := int64(0)
	for _, s := range m.Saved {
		rows += s.Rows
	}
	switch {
	case len(m.Saved) > 0 && !m.Lost():
		f.Severity = "warning"
		vi = append(vi, fmt.Sprintf("đã đọc lại đủ %d dòng, không mất gì", rows))
		en = append(en, fmt.Sprintf("all %d rows could be read, nothing is lost", rows))
	case len(m.Saved) > 0:
		tables := strings.Join(m.Broken(), ", ")
		vi = append(vi, fmt.Sprintf("đã cứu %d dòng; các bảng không đọc được hết: %s", rows, tables))
		en = append(en, fmt.Sprintf("%d rows were saved; tables that could not be read whole: %s", rows, tables))
	}
	if m.Backup.Path != "" {
		f.Value, f.Unit = m.Backup.ago(now).Minutes(), "min"
		vi = append(vi, fmt.Sprintf("phần còn thiếu lấy từ bản sao lưu lúc %s (%v trước); thay đổi từ đó tới lúc hỏng bị mất", moment(m.Backup.At), m.Backup.ago(now)))
		en = append(en, fmt.Sprintf("what was missing is from the backup of %s (%v before); what was changed between it and the damage is lost", moment(m.Backup.At), m.Backup.ago(now)))
	}
	f.DescriptionVI, f.DescriptionEN = strings.Join(vi, "; "), strings.Join(en, "; ")
	return f
}

// BackupFailed tells of a backup that could not be made.
func BackupFailed(part string, err error) ingest.Finding {
	p := partName(part)
	return ingest.Finding{
		Rule: RuleBackup, Device: telemetry.Device(part), Severity: "warning",
		SummaryVI: "Không sao lưu được " + p.vi, SummaryEN: "No backup of " + p.en,
		DescriptionVI: "Bản sao lưu mỗi giờ không tạo được: " + err.Error(), DescriptionEN: "The hourly backup could not be made: " + err.Error(),
		RunbookVI: "Dọn chỗ trên ổ đĩa hoặc chọn ổ khác bằng --backup-dir; lần sau được thử lại sau một phút. Các bản sao lưu cũ còn nguyên",
		RunbookEN: "Make room on the disk or name another with --backup-dir; it is tried again every minute. Earlier backups are untouched",
	}
}

// Gone tells of a folder that was there and is not.
func Gone(part string, m Marks) ingest.Finding {
	p := partName(part)
	f := ingest.Finding{Rule: RuleGone, Device: telemetry.Device(part), Severity: "extreme", Lasting: true,
		SummaryVI: "Đã biến mất: " + p.vi, SummaryEN: "Gone: " + p.en,
		RunbookVI: "Dừng Hải Đăng và đặt lại thư mục từ bản sao lưu nếu có; nếu không, xác nhận cảnh báo này. Thành phố đã bắt đầu lại với thư mục trống và tiếp tục nhận",
		RunbookEN: "Stop Hải Đăng and put the folder back from a backup if you have one; else acknowledge this alarm. The city began anew with an empty folder and goes on taking messages"}
	if part == "store" {
		samples, from := uint64(0), time.Time{}
		for _, b := range m.Blocks {
			if samples += b.Samples; from.IsZero() || b.From.Before(from) {
				from = b.From
			}
		}
		f.Value = float64(samples)
		f.DescriptionVI = fmt.Sprintf("Lúc %s kho còn %d khối với %d giá trị%s, cùng các giá trị mới nhất chưa vào khối: tất cả không còn ở đây", moment(m.At), len(m.Blocks), samples, sinceText(from, " từ "))
		f.DescriptionEN = fmt.Sprintf("At %s the store had %d blocks of %d values%s, and the newest values that were in no block yet: none of them is here any more", moment(m.At), len(m.Blocks), samples, sinceText(from, " since "))
		return f
	}
	queued := uint64(0)
	for _, g := range m.Gateways {
		queued += g.Received - min(g.Received, g.Accounted)
	}
	backlog := m.Streams["MQTT/$MQTT_msgs"].Messages
	f.Value = float64(queued + backlog)
	f.DescriptionVI = fmt.Sprintf("Lúc %s có %d bản tin chờ trong hàng chờ và %d bản tin chờ cổng nhận: đã mất, kèm mọi phiên MQTT", moment(m.At), queued, backlog)
	f.DescriptionEN = fmt.Sprintf("At %s %d messages waited in the journal and %d for a gateway: they are lost, with all MQTT sessions", moment(m.At), queued, backlog)
	return f
}

func sinceText(t time.Time, before string) string {
	if t.IsZero() {
		return ""
	}
	return before + moment(t)
}

// MarksFailed tells that marks cannot be kept.
func MarksFailed(err error) ingest.Finding {
	return ingest.Finding{
		Rule: RuleMarks, Severity: "warning",
		SummaryVI: "Không ghi hoặc đọc được marks.json", SummaryEN: "marks.json cannot be written or read",
		DescriptionVI: "Nếu hàng chờ hay nhật ký của kho bị cắt ngắn trong lúc này thì không ai biết: " + err.Error(),
		DescriptionEN: "Were journal or store cut short in the meantime, nobody would know: " + err.Error(),
		RunbookVI:     "Kiểm tra chỗ trống và quyền ghi của thư mục --data",
		RunbookEN:     "Look at the free space and permissions of the folder --data",
	}
}

// MarksLost tells that a start could not compare the folder with what it had held;
// because says why, in both languages.
func MarksLost(vi, en string) ingest.Finding {
	return ingest.Finding{
		Rule: RuleMarksLost, Severity: "warning", Lasting: true,
		SummaryVI: "Không biết thư mục dữ liệu trước đó có gì", SummaryEN: "What the data folder held before is not known",
		DescriptionVI: "marks.json " + vi + ": nếu hàng chờ, kho dữ liệu hay một tệp nào bị cắt ngắn hoặc mất trước lần khởi động này thì không nhận ra được",
		DescriptionEN: "marks.json " + en + ": had journal, store or a file been cut short or lost before this start, it was not noticed",
		RunbookVI:     "Kiểm tra ổ đĩa và ai đã sửa thư mục --data. Chạy haidang audit và haidang audit --store; rồi xác nhận cảnh báo này",
		RunbookEN:     "Look at the disk, and at who has changed the folder --data. Run haidang audit and haidang audit --store; then acknowledge this alarm",
	}
}

// BeganEmpty tells that a part was not there and there was no backup of it, though beside
// was there; that is "" for none.
func BeganEmpty(part, beside string) ingest.Finding {
	p, vi, en := partName(part), "Không có ở đây", "It is not here"
	if beside != "" {
		other := partName(beside)
		vi, en = vi+", trong khi vẫn có "+other.vi, en+", but "+other.en+" is"
	}
	return ingest.Finding{
		Rule: RuleEmpty, Device: telemetry.Device(part), Severity: "extreme", Lasting: true,
		SummaryVI:     "Bắt đầu trống: " + p.vi,
		SummaryEN:     "Begun empty: " + p.en,
		DescriptionVI: vi + "; cũng không có bản sao lưu nào",
		DescriptionEN: en + "; there is no backup of it either",
		RunbookVI:     "Nếu nó từng có: dừng Hải Đăng, đặt lại tệp từ bản sao của bạn (haidang restore) hoặc sửa --registry; nếu chưa từng có thì xác nhận cảnh báo này",
		RunbookEN:     "If there ever was one: stop Hải Đăng and put the file back from a copy of yours (haidang restore), or correct --registry; if there was none, acknowledge this alarm",
	}
}

// CountLost tells that a gateway's own count began anew; because says why, in both
// languages.
func CountLost(gateway, vi, en string) ingest.Finding {
	return ingest.Finding{
		Rule: RuleCount, Device: telemetry.Device(gateway), Severity: "warning", Lasting: true,
		SummaryVI:     "Cổng thu " + gateway + " đếm lại từ đầu",
		SummaryEN:     "Gateway " + gateway + " counts anew",
		DescriptionVI: "Tệp đếm riêng của cổng thu " + vi + ": bản tin bị mất giữa máy chủ MQTT và hàng chờ trước lần khởi động này thì không nhận ra được",
		DescriptionEN: "The gateway's own count " + en + ": what was lost between broker and journal before this start was not noticed",
		RunbookVI:     "Kiểm tra ổ đĩa và thư mục gateways trong --data; rồi xác nhận cảnh báo này",
		RunbookEN:     "Look at the disk and the folder gateways in --data; then acknowledge this alarm",
	}
}
