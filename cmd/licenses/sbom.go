package licenses

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/haidang-iot/haidang/cmd/terminal"
)

// The members of CycloneDX 1.6 that we fill (ECMA-424).
type (
	bom struct {
		Format     string         `json:"bomFormat"`
		Spec       string         `json:"specVersion"`
		Version    int            `json:"version"`
		Metadata   bomMetadata    `json:"metadata"`
		Components []bomComponent `json:"components"`
	}
	bomMetadata struct {
		Component bomComponent `json:"component"`
	}
	bomComponent struct {
		Type     string       `json:"type"`
		Ref      string       `json:"bom-ref"`
		Name     string       `json:"name"`
		Version  string       `json:"version"`
		PURL     string       `json:"purl,omitempty"`
		Licenses []bomLicense `json:"licenses,omitempty"`
	}
	bomLicense struct {
		License bomLicenseID `json:"license"`
	}
	bomLicenseID struct {
		ID string `json:"id"`
	}
)

// printSBOM has no time and no serial number in it, so that one program has one
// bill.
func printSBOM(w io.Writer, all []Component) error {
	b := bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Components: []bomComponent{},
		Metadata: bomMetadata{bomComponent{Type: "application", Ref: "haidang", Name: "haidang", Version: terminal.Version}}}
	for _, c := range all {
		one := bomComponent{Type: "library", Ref: c.URL(), Name: c.Name, Version: c.Version, PURL: c.URL()}
		for _, id := range c.Licenses {
			one.Licenses = append(one.Licenses, bomLicense{bomLicenseID{id}})
		}
		b.Components = append(b.Components, one)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(b); err != nil {
		return fmt.Errorf("print bill of materials: %w", err)
	}
	return nil
}
