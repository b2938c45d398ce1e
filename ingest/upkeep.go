package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// tendEvery is how often the loader looks after the quarantine, tendSteps how many
	// steps it does at once, so that messages need not wait long.
	tendEvery = time.Minute
	tendSteps = 20
	// nearlyFull is from which part of its budget on the quarantine is a finding, and
	// fullAgain below which it is none any more.
	nearlyFull, fullAgain = 0.80, 0.75
)

// The rules of the findings that the loader makes.
const (
	ruleQuarantineFull = "quarantine-full"
	ruleDiscarded      = "quarantine-discarded"
	ruleDisk           = "disk-reserve"
)

// upkeep is what the loader remembers between two looks after the quarantine.
type upkeep struct {
	done   time.Time // when it was last looked after to the end
	failed bool
	full   bool // it is a finding that it is nearly full
	disk   int  // how far the disk is used up, as last told
	told   bool
	// before is what bounds had discarded when that was told last.
	before int64
}

// tend looks after the quarantine if it is time.
func (l *Loader) tend(ctx context.Context) {
	if since := l.Now().Sub(l.upkeep.done); since >= 0 && since < tendEvery {
		return
	}
	for range tendSteps {
		more, err := l.tendStep(ctx)
		if err != nil && !l.upkeep.failed && ctx.Err() == nil {
			l.Logger.Error("cannot look after the quarantine; trying again each minute", "error", err)
		}
		if l.upkeep.failed = err != nil; err != nil || !more {
			l.upkeep.done = l.Now()
			break
		}
	}
	l.tell(ctx)
}

// tendStep lets go what is too old or over the bounds, cuts payloads that an older
// version has kept whole, and gives room back to the disk. It reports whether there is
// more to do.
func (l *Loader) tendStep(ctx context.Context) (more bool, err error) {
	uncut, err := l.Ledger.Uncut(ctx)
	if err != nil {
		return false, err
	}
	if len(uncut) > 0 {
		for i := range uncut {
			uncut[i].Trim(MaxHeld)
		}
		return true, l.Ledger.Commit(ctx, Commit{Trim: uncut})
	}
	gone, err := l.Ledger.Leaving(ctx, QuarantineFilter{Before: l.Now().Add(-l.Bounds.Age), Limit: maxDiscard})
	if err != nil {
		return false, err
	}
	for i := range gone {
		gone[i].Cause = ByAge
	}
	if len(gone) == 0 {
		if gone, err = l.Ledger.Overflow(ctx, nil, l.bounds()); err != nil {
			return false, err
		}
	}
	if len(gone) > 0 {
		return true, l.release(ctx, gone)
	}
	return l.Ledger.Shrink(ctx)
}

// tell reports how full the quarantine is and what its bounds have discarded.
func (l *Loader) tell(ctx context.Context) {
	use, err := l.Ledger.Use(ctx)
	if err != nil {
		return // the ledger's own trouble is told where it is written to
	}
	part := float64(use.Bytes) / float64(max(l.Bounds.Bytes, 1))
	switch {
	case part >= nearlyFull, l.upkeep.full && part >= fullAgain:
		l.upkeep.full = true
		l.Findings.Report(quarantineFull(use, l.Bounds))
	case l.upkeep.full:
		l.upkeep.full = false
		l.Findings.Resolve(ruleQuarantineFull, "", "")
	}
	gone, counts := int64(0), map[Cause]int64{}
	for _, c := range use.Discarded {
		if c.Cause != ByPerson {
			gone += c.Count
			counts[c.Cause] += c.Count
		}
	}
	if l.upkeep.told && gone > l.upkeep.before {
		l.Findings.Report(discardedByBounds(gone-l.upkeep.before, gone, counts))
	}
	// What was discarded before the start has been told then, and lasts. A finding grows
	// while nobody has acknowledged it, so it counts from the start.
	if !l.upkeep.told {
		l.upkeep.told, l.upkeep.before = true, gone
	}
}

func quarantineFull(use QuarantineUse, b Bounds) Finding {
	used, budget := use.Bytes>>20, b.Bytes>>20
	heaviest := ""
	for i, d := range use.Heaviest {
		if i > 0 {
			heaviest += ", "
		}
		heaviest += fmt.Sprintf("%s %d MiB (%d)", deviceName(d.Device), d.Bytes>>20, d.Count)
	}
	return Finding{
		Rule: ruleQuarantineFull, Severity: "warning", Value: float64(100*use.Bytes) / float64(b.Bytes), Unit: "%",
		SummaryVI:     fmt.Sprintf("Vùng cách ly gần đầy: %d trong %d MiB", used, budget),
		SummaryEN:     fmt.Sprintf("The quarantine is nearly full: %d of %d MiB", used, budget),
		DescriptionVI: fmt.Sprintf("%d bản tin đang chờ. Nhiều nhất: %s. Khi đầy, thiết bị chiếm nhiều nhất mất bản tin cũ nhất của chính nó.", use.Count, heaviest),
		DescriptionEN: fmt.Sprintf("%d messages wait. The most: %s. Once it is full, whichever device has the most in it loses its own oldest.", use.Count, heaviest),
		RunbookVI:     "Khắc phục nguyên nhân rồi chạy lại (haidang quarantine redrive), loại bỏ những gì không cần (haidang quarantine purge), hoặc tăng --quarantine-budget.",
		RunbookEN:     "Mend the cause and re-drive (haidang quarantine redrive), let go what nobody needs (haidang quarantine purge), or raise --quarantine-budget.",
	}
}

func deviceName(d telemetry.Device) string {
	if d == "" {
		return "?"
	}
	return string(d)
}

func discardedByBounds(now, all int64, by map[Cause]int64) Finding {
	text := ""
	for _, c := range []Cause{ByAge, ByDeviceBytes, ByDeviceCount, ByBudget, ByDisk} {
		if n := by[c]; n > 0 {
			text += fmt.Sprintf(" %s %d;", c, n)
		}
	}
	return Finding{
		Rule: ruleDiscarded, Severity: "warning", Value: float64(now), Lasting: true,
		SummaryVI:     fmt.Sprintf("Giới hạn của vùng cách ly đã loại bỏ %d bản tin", now),
		SummaryEN:     fmt.Sprintf("The quarantine's bounds have discarded %d messages", now),
		DescriptionVI: fmt.Sprintf("Chúng được đếm là đã loại bỏ trong sổ cái; từ trước đến nay tổng cộng %d:%s", all, text),
		DescriptionEN: fmt.Sprintf("The ledger counts them as discarded; %d in all so far:%s", all, text),
		RunbookVI:     "Xem trang Cách ly: thiết bị nào gửi sai và vì sao. Khắc phục nguyên nhân, chạy lại, hoặc tăng --quarantine-budget, --quarantine-device-budget, --quarantine-age.",
		RunbookEN:     "Look at the Quarantine page: which device sends what is wrong, and why. Mend the cause, re-drive, or raise --quarantine-budget, --quarantine-device-budget, --quarantine-age.",
	}
}

// tellDisk reports how far the disk is used up, and returns why the loader must not
// write now, if it must not.
func (l *Loader) tellDisk() error {
	stop, level := l.Disk.Stop(), 0
	switch {
	case stop != nil:
		level = 3
	case l.Disk.Hold() != nil:
		level = 2
	case l.Disk.Tight():
		level = 1
	}
	l.diskErr.Store(&stop)
	if level == l.upkeep.disk {
		return stop
	}
	l.upkeep.disk = level
	if level == 0 {
		l.Findings.Resolve(ruleDisk, "", "")
		return nil
	}
	l.Findings.Report(l.diskFinding(level))
	if stop != nil {
		l.Logger.Error("the loader takes nothing more from the journal", "error", stop)
	}
	return stop
}

func (l *Loader) diskFinding(level int) Finding {
	free, _ := l.Disk.free()
	f := Finding{
		Rule: ruleDisk, Severity: "warning", Value: float64(free >> 20), Unit: "MiB", NotReady: level > 1,
		SummaryVI:     fmt.Sprintf("Đĩa của %s gần đầy: còn %d MiB, dự trữ %d MiB", l.Disk.Dir, free>>20, l.Disk.Reserve>>20),
		SummaryEN:     fmt.Sprintf("The disk of %s is nearly full: %d MiB free, the reserve is %d MiB", l.Disk.Dir, free>>20, l.Disk.Reserve>>20),
		DescriptionVI: "Vùng cách ly không lớn thêm: bản tin mới vào thì bản tin cũ nhất của thiết bị chiếm nhiều nhất bị loại bỏ và được đếm.",
		DescriptionEN: "The quarantine grows no more: for what comes into it, the oldest of the device with the most in it leaves, and is counted.",
		RunbookVI:     "Giải phóng dung lượng trên đĩa: haidang quarantine purge --older-than 30d --why …, giảm --retention, xóa tệp khác, hoặc dùng đĩa lớn hơn; hay giảm --disk-reserve.",
		RunbookEN:     "Free some space: haidang quarantine purge --older-than 30d --why …, a shorter --retention, other files on the disk, or a larger disk; or lower --disk-reserve.",
	}
	switch level {
	case 2:
		f.Severity = "danger"
		f.DescriptionVI = "Không nhận thêm bản tin, ảnh và bản sao lưu; thiết bị và máy chủ MQTT giữ bản tin. Hàng chờ vẫn được đưa vào kho. " + f.DescriptionVI
		f.DescriptionEN = "No more messages, photos and backups are taken; devices and brokers hold messages. What is in the journal is still stored. " + f.DescriptionEN
	case 3:
		f.Severity = "extreme"
		f.DescriptionVI = "Không ghi gì thêm: bản tin ở trong hàng chờ, ở thiết bị và máy chủ MQTT cho đến khi có chỗ; không mất gì."
		f.DescriptionEN = "Nothing more is written: messages wait in the journal, in devices and at brokers until there is room; nothing is lost."
	}
	return f
}

// bounds are the quarantine's as they are now.
func (l *Loader) bounds() Bounds {
	b := l.Bounds
	b.Tight = l.Disk.Tight()
	return b
}
