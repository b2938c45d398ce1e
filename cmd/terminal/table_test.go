package terminal

import (
	"bytes"
	"testing"
	"time"
)

func TestTextTableAlignsByWidth(t *testing.T) {
	tab := NewTable("ID", "NAME", "EMPTY", "END")
	tab.Row("a", "Nguyễn Thiện Thuật", "", "x")
	tab.Row("b", "Nguye\u0302\u0303n Thie\u0323\u0302n Thua\u0323\u0302t", "", "x") // the same, decomposed
	tab.Row("c", "芽莊 市場", "", "x")
	tab.Row("d", "a\x1b[2J\u202eb\nc", "", "x")
	var b bytes.Buffer
	tab.Print(&b)
	want := `ID  NAME                END
a   Nguyễn Thiện Thuật  x
b   Nguyễn Thiện Thuật  x
c   芽莊 市場           x
d   a�[2J�b c           x
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
	for text, want := range map[string]string{"Cầu Đá": "Cầu Đá", "Cầu Đá 2": "Cầu Đ…", "芽莊市場": "芽莊…"} {
		if got := CutTo(text, 6); got != want {
			t.Errorf("cutTo(%q, 6) is %q, want %q", text, got, want)
		}
	}
	for d, want := range map[time.Duration]string{45 * time.Second: "45 s", 10 * time.Minute: "10 min", 5 * time.Hour: "5 h", 96 * time.Hour: "4 d"} {
		if got := SpanOf(d); got != want {
			t.Errorf("spanOf(%v) is %q, want %q", d, got, want)
		}
	}
}
