package damage

import (
	"strings"
	"testing"
)

// TestReadingsLostInBothLanguages holds that no language has the other's words.
func TestReadingsLostInBothLanguages(t *testing.T) {
	f := ReadingsLost(ReadingsLoss{Where: "wal", Samples: 51, What: "413 bytes in 1 places are damaged", WhatVI: "413 byte ở 1 chỗ bị hỏng"})
	if !strings.Contains(f.DescriptionVI, "không đọc được: 413 byte ở 1 chỗ bị hỏng") || !strings.Contains(f.DescriptionEN, "cannot be read: 413 bytes in 1 places are damaged") {
		t.Errorf("have %q and %q", f.DescriptionVI, f.DescriptionEN)
	}
	if f := ReadingsLost(ReadingsLoss{Where: "01J", Block: true, What: "unexpected EOF"}); !strings.Contains(f.DescriptionVI, "không đọc được: unexpected EOF") {
		t.Errorf("have %q", f.DescriptionVI)
	}
}
