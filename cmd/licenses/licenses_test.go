package licenses

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestBill holds the bill of materials to what CycloneDX demands of one.
func TestBill(t *testing.T) {
	all := []Component{{Name: "@scope/a", Version: "1.2.0", Kind: "npm", Licenses: []string{"MIT", "ISC"}}, {Name: "m.example/b", Version: "v1.0.0+incompatible", Kind: "golang"}}
	var out bytes.Buffer
	if err := printSBOM(&out, all); err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(out.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Spec != "1.6" || b.Version != 1 || b.Metadata.Component.Type != "application" || len(b.Components) != 2 {
		t.Errorf("have %+v", b)
	}
	if a := b.Components[0]; a.PURL != "pkg:npm/%40scope/a@1.2.0" || len(a.Licenses) != 2 || a.Licenses[1].License.ID != "ISC" {
		t.Errorf("have %+v", a)
	}
	if p := b.Components[1].PURL; p != "pkg:golang/m.example/b@v1.0.0%2Bincompatible" {
		t.Errorf("have %s", p)
	}
}

// A program without texts says so, and how to get them.
func TestTextsAreMissed(t *testing.T) {
	err := whole([]Component{{Name: "a", Texts: []Text{{"LICENSE", "x"}}}, {Name: "b"}})
	if err == nil || !strings.Contains(err.Error(), "make build") || !strings.Contains(err.Error(), "b") {
		t.Errorf("have %v", err)
	}
}
