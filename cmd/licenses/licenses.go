// Package licenses tells what of others is in the program: `haidang licenses`.
// Which modules those are, and of which versions, the program knows of itself; the
// texts of their licences are embedded when it is built with make.
package licenses

import (
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/cmd/terminal"
)

// File is where package collect writes to, in the folder of this package.
const File = "texts/third-party.json.gz"

//go:embed all:texts
var texts embed.FS

// Component is one piece of software of others.
type Component struct {
	// Name is a Go module's path, or an npm package's name.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Kind is golang or npm, as package URLs (purl) have it.
	Kind string `json:"kind"`
	// Licenses are SPDX identifiers.
	Licenses []string `json:"licenses"`
	Texts    []Text   `json:"texts"`
}

// Text is a file of a licence or notice.
type Text struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// URL is the component's package URL.
func (c Component) URL() string {
	return "pkg:" + c.Kind + "/" + strings.ReplaceAll(c.Name, "@", "%40") + "@" + strings.ReplaceAll(c.Version, "+", "%2B")
}

// Allowed are the licences that may be in the program: they ask for no more than
// that their texts come with it, or, EPL-2.0 and MPL-2.0, that changed files of
// theirs are open and it is told where the source is: we change none, and a
// module's name is where.
func Allowed() []string {
	return []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "EPL-2.0", "ISC", "MIT", "MPL-2.0", "OFL-1.1", "Unlicense", "Zlib", "Bitstream-Vera"}
}

// Licenses is `haidang licenses`.
type Licenses struct {
	SBOM  bool   `name:"sbom" help:"Print the software bill of materials, CycloneDX 1.6 in JSON." xor:"what"`
	Texts bool   `help:"Print the texts of all licences." xor:"what"`
	Name  string `arg:"" optional:"" help:"A module or package: print the texts of its licences."`
}

// Help is kong's detailed help.
func (Licenses) Help() string {
	return `What of others is in this very program, by its own build information.

Examples:
  haidang licenses                               list modules, versions and licences
  haidang licenses github.com/nats-io/nats.go    the text of one
  haidang licenses --texts | less                all texts
  haidang licenses --sbom > haidang.cdx.json     for a scanner of vulnerabilities`
}

// Run prints.
func (c *Licenses) Run(_ context.Context, out *terminal.Output) error {
	all, err := components()
	if err != nil {
		return err
	}
	switch {
	case c.SBOM:
		return printSBOM(out.Stdout, all)
	case c.Name != "":
		all = slices.DeleteFunc(all, func(one Component) bool { return one.Name != c.Name })
		if len(all) == 0 {
			return fmt.Errorf("%s is not in this program: see the names with: haidang licenses", terminal.OnScreen(c.Name))
		}
		return printTexts(out.Stdout, all)
	case c.Texts:
		return printTexts(out.Stdout, all)
	}
	t := terminal.NewTable("NAME", "VERSION", "LICENCE")
	for _, one := range all {
		t.Row(one.Name, one.Version, strings.Join(one.Licenses, ", "))
	}
	t.Print(out.Stdout)
	return whole(all)
}

// printTexts prints licences whole, each under its component's name.
func printTexts(w io.Writer, all []Component) error {
	for _, one := range all {
		for _, t := range one.Texts {
			if _, err := fmt.Fprintf(w, "==== %s %s: %s ====\n\n%s\n\n", one.Name, one.Version, t.File, strings.TrimSpace(t.Text)); err != nil {
				return fmt.Errorf("print licence: %w", err)
			}
		}
	}
	return whole(all)
}

// whole is an error if texts are missing.
func whole(all []Component) error {
	var without []string
	for _, one := range all {
		if len(one.Texts) == 0 {
			without = append(without, one.Name)
		}
	}
	if len(without) > 0 {
		return fmt.Errorf("this program was built without the texts of %d licences (%s …): build it with make build", len(without), without[0])
	}
	return nil
}

// components are what this program was built from: Go's modules as the build has
// written them into it, and what is in the console.
func components() ([]Component, error) {
	known, err := Embedded()
	if err != nil {
		return nil, err
	}
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("read build information: the program has none")
	}
	all := slices.DeleteFunc(slices.Clone(known), func(c Component) bool { return c.Kind == "golang" && c.Name != "std" })
	for _, m := range b.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := Component{Name: m.Path, Version: m.Version, Kind: "golang"}
		for _, k := range known {
			if k.Name == c.Name && k.Version == c.Version {
				c = k
			}
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Component) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Embedded are the components whose texts are in this program; none where they
// were not collected before it was built.
func Embedded() (all []Component, err error) {
	f, err := texts.Open(File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open licences: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("read licences: %w", err)
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		return nil, fmt.Errorf("read licences: %w", err)
	}
	return all, nil
}
