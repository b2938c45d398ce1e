package ingest

import (
	"fmt"
	"slices"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// The rules of what a journal and a ledger are found to have lost.
const (
	ruleMessagesLost    = "messages-lost"
	ruleJournalBehind   = "journal-behind"
	ruleJournalReplaced = "journal-replaced"
	ruleNumbersTwice    = "numbers-given-twice"
	ruleLedgerOlder     = "ledger-older"
)

// behind says that the journal counts less than it should: it was put back, damaged,
// or is another one. What it had received and nobody has accounted for is lost.
func behind(a Account, have, want uint64, state JournalState) Finding {
	f := Finding{
		Rule: ruleJournalBehind, Severity: "danger", Device: telemetry.Device(a.Gateway), NotReady: true, Lasting: true,
		SummaryVI: "Hàng chờ đếm lùi: bị hỏng hoặc bị thay bằng bản cũ", SummaryEN: "The journal is behind its own account: it was damaged or put back",
		RunbookVI: "Xem ai đã phục hồi hoặc xóa thư mục broker/ (hay luồng của máy chủ NATS) và kiểm tra ổ đĩa; chạy haidang audit; rồi xác nhận cảnh báo này để /readyz xanh trở lại.",
		RunbookEN: "See who has restored or deleted the folder broker/ (or the stream of the NATS server), and check the disk; run haidang audit; then acknowledge this alarm, which makes /readyz green again",
	}
	if _, known := state.Positions[a.Sequence()]; !known && state.Damaged[a.Sequence()] == "" && a.Epoch != state.Epoch {
		f.Rule = ruleJournalReplaced
		f.SummaryVI, f.SummaryEN = "Hàng chờ của sổ cái này không còn: đã bị xóa hoặc bị thay", "The journal of this ledger is gone: it was deleted or exchanged"
	}
	lost := want - min(want, max(have, a.Position))
	f.Value = float64(lost)
	f.DescriptionVI = fmt.Sprintf("Cổng %s: đã nhận %d bản tin, đã kiểm %d, hàng chờ chỉ biết %d; %d bản tin đang chờ đã mất. Bản tin mới được đếm lại từ 0 trong kỷ nguyên mới và không bị bỏ", a.Sequence(), want, a.Position, have, lost)
	f.DescriptionEN = fmt.Sprintf("Gateway %s: %d messages were received and %d accounted for, and the journal knows of %d; %d that waited in it are lost. New messages are counted from 0 in a new epoch, and none is dropped", a.Sequence(), want, a.Position, have, lost)
	if why := state.Damaged[a.Sequence()]; why != "" {
		f.DescriptionVI += " (" + why + ")"
		f.DescriptionEN += " (" + why + ")"
	}
	return f
}

// numberedAgain says that messages came with numbers that had been given before. All
// of them have been dealt with.
func numberedAgain(a Account) Finding {
	return Finding{
		Rule: ruleNumbersTwice, Severity: "danger", Device: telemetry.Device(a.Gateway), NotReady: true, Lasting: true,
		Value:     float64(a.Again),
		SummaryVI: "Số thứ tự bị cấp hai lần: hàng chờ đã quên số đã đếm", SummaryEN: "Numbers were given twice: the journal had forgotten its count",
		DescriptionVI: fmt.Sprintf("Cổng %s: %d bản tin đến với số thứ tự đã dùng; không bản tin nào bị bỏ, bản trùng nội dung được tính là trùng", a.Sequence(), a.Again),
		DescriptionEN: fmt.Sprintf("Gateway %s: %d messages came with numbers that had been given before; none is dropped, those of the same content are counted as duplicates", a.Sequence(), a.Again),
		RunbookVI:     "Xem ai đã phục hồi hoặc xóa thư mục broker/ (hay luồng của máy chủ NATS) và kiểm tra ổ đĩa; rồi xác nhận cảnh báo này để /readyz xanh trở lại.",
		RunbookEN:     "See who has restored or deleted the folder broker/ (or the stream of the NATS server), and check the disk; then acknowledge this alarm, which makes /readyz green again",
	}
}

// ledgerOlder says that the journal has let go what this ledger knows nothing of.
func ledgerOlder(a Account) Finding {
	return Finding{
		Rule: ruleLedgerOlder, Severity: "danger", Device: telemetry.Device(a.Gateway), Lasting: true,
		Value:     float64(a.Forgotten),
		SummaryVI: "Sổ cái cũ hơn hàng chờ: đã bị xóa hoặc phục hồi từ bản sao", SummaryEN: "The ledger is older than the journal: it was deleted or restored from a copy",
		DescriptionVI: fmt.Sprintf("Cổng %s: %d bản tin đã được một sổ cái mới hơn kiểm; dữ liệu đã lưu vẫn còn trong kho, nhưng không rõ từng bản tin ra sao, và những bản tin cách ly trong số đó đã mất", a.Sequence(), a.Forgotten),
		DescriptionEN: fmt.Sprintf("Gateway %s: %d messages were accounted for by a newer ledger; what was stored of them is in the store, but what became of each is not known, and those that were quarantined are lost", a.Sequence(), a.Forgotten),
		RunbookVI:     "Nếu còn ledger.db mới hơn, dừng chương trình và đặt lại tệp đó; nếu không, xác nhận cảnh báo này.",
		RunbookEN:     "If a newer ledger.db exists, stop the program and put it back; if not, acknowledge this alarm",
	}
}

// unheard are losses that nobody is told of: of a program that was killed before it could
// tell, or that was acknowledged before acknowledging settled. The findings must have been
// read before the settlements.
func unheard(known []Finding, balances []Balance) (out []Finding) {
	for _, b := range ByGateway(balances) {
		told := slices.ContainsFunc(known, func(f Finding) bool { return string(f.Device) == b.Gateway && settles(f.Rule) })
		switch {
		case told:
		case b.Unsettled > 0:
			out = append(out, messagesLost(Sequence{Gateway: b.Gateway}, b.Missing, b.Settled))
		case b.Forgotten > b.SettledForgotten:
			out = append(out, ledgerOlder(b.Account))
		}
	}
	return out
}

// settles says that an alarm of a rule settles what an account lacks.
func settles(rule string) bool {
	switch rule {
	case ruleMessagesLost, ruleJournalBehind, ruleJournalReplaced, ruleNumbersTwice, ruleLedgerOlder:
		return true
	}
	return false
}

// messagesLost says that nobody has come with some numbers; settled is how many of them
// were acknowledged before.
func messagesLost(s Sequence, lost, settled int64) Finding {
	f := Finding{
		Rule: ruleMessagesLost, Severity: "danger", Device: telemetry.Device(s.Gateway), Lasting: true,
		Value:     float64(beyond(lost, settled)),
		SummaryVI: "Mất bản tin đã nhận: hàng chờ không còn giữ", SummaryEN: "Messages that were received are lost: the journal does not hold them",
		DescriptionVI: fmt.Sprintf("Cổng %s: %d bản tin đã đếm nhưng không còn trong hàng chờ", s, lost),
		DescriptionEN: fmt.Sprintf("Gateway %s: %d messages were counted and are not in the journal", s, lost),
		RunbookVI:     "Kiểm tra ổ đĩa của broker/ (hay của máy chủ NATS) và bản ghi của chương trình; thiết bị có bộ nhớ có thể gửi lại. Rồi xác nhận cảnh báo này.",
		RunbookEN:     "Check the disk of broker/ (or of the NATS server) and the program's log; devices with a memory may send again. Then acknowledge this alarm",
	}
	if settled > 0 {
		f.DescriptionVI += fmt.Sprintf("; trong đó %d đã được xác nhận trước đây", min(settled, lost))
		f.DescriptionEN += fmt.Sprintf("; %d of them were acknowledged before", min(settled, lost))
	}
	return f
}
