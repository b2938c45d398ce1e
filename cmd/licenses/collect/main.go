// Command collect gathers the licences of all that is in haidang, for `make
// licenses`: of Go's modules from the module cache, of the console's packages from
// its node_modules, of Go itself from GOROOT. It fails where one is missing, is
// not known, or is not allowed.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/google/licensecheck"

	"github.com/haidang-iot/haidang/cmd/licenses"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "collect licences:", err)
		os.Exit(1)
	}
}

// run writes the file; top is the folder of go.mod.
func run(top string) error {
	all, err := modules(top)
	if err != nil {
		return err
	}
	packages, err := console(filepath.Join(top, "devices", "web"))
	if err != nil {
		return err
	}
	all = append(all, packages...)
	if err := check(all); err != nil {
		return err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(all), z.Close()); err != nil {
		return fmt.Errorf("write licences: %w", err)
	}
	return os.WriteFile(filepath.Join(top, "cmd", "licenses", licenses.File), b.Bytes(), 0o644)
}

// modules are Go's own library and the modules that packages of the program are
// of, whichever system it is built for.
func modules(top string) ([]licenses.Component, error) {
	root, err := read(licenses.Component{Name: "std", Version: runtime.Version(), Kind: "golang"}, runtimeRoot())
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	all := []licenses.Component{root}
	for _, system := range []string{"linux", "darwin", "windows"} {
		list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", ".")
		list.Dir = top
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("list modules for %s: %w", system, err)
		}
		for line := range strings.Lines(string(out)) {
			part := strings.Split(strings.TrimSpace(line), "\t")
			if len(part) != 3 || seen[part[0]] {
				continue
			}
			seen[part[0]] = true
			c, err := read(licenses.Component{Name: part[0], Version: part[1], Kind: "golang"}, part[2])
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func runtimeRoot() string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// console are the npm packages whose code is in the console's pages; none where it
// has not been built.
func console(web string) ([]licenses.Component, error) {
	if _, err := os.Stat(filepath.Join(web, "dist", "index.html")); err != nil {
		return nil, nil
	}
	text, err := os.ReadFile(filepath.Join(web, "package-lock.json"))
	if err != nil {
		return nil, fmt.Errorf("read lock file: %w", err)
	}
	var lock struct {
		Packages map[string]struct {
			Version, License string
			Dev, Optional    bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("read lock file: %w", err)
	}
	var all []licenses.Component
	for path, p := range lock.Packages {
		at := strings.LastIndex(path, "node_modules/")
		if at < 0 || p.Optional {
			continue
		}
		name := path[at+len("node_modules/"):]
		// Its runtime is what a page's service worker is made of.
		if p.Dev && !strings.HasPrefix(name, "workbox-") {
			continue
		}
		c, err := read(licenses.Component{Name: name, Version: p.Version, Kind: "npm"}, filepath.Join(web, path))
		if err != nil {
			return nil, err
		}
		if told, ok := toldElsewhere()[c.Name+" "+c.Version]; ok && len(c.Texts) == 0 && p.License == "" {
			c.Licenses, c.Texts = told.Licenses, told.Texts
		} else if len(c.Licenses) == 0 || len(c.Texts) == 0 { // some packages only name theirs
			if p.License == "" {
				return nil, fmt.Errorf("%s %s: no licence was found", c.Name, c.Version)
			}
			c.Licenses = []string{p.License}
			c.Texts = append(c.Texts, licenses.Text{File: "package.json", Text: "License: " + p.License})
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b licenses.Component) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// toldElsewhere are the licences of packages, by name and version, that carry
// none: their repositories have it.
func toldElsewhere() map[string]licenses.Component {
	return map[string]licenses.Component{
		"@mapbox/jsonlint-lines-primitives 2.0.2": {Licenses: []string{"MIT"}, Texts: []licenses.Text{{File: "LICENSE of https://github.com/mapbox/jsonlint", Text: `MIT License

Copyright (C) 2012 Zachary Carter

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`}}},
	}
}

// read takes the files of licences and notices of a folder's top, and finds out
// which licences they are.
func read(c licenses.Component, dir string) (licenses.Component, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return c, fmt.Errorf("read %s: %w", c.Name, err)
	}
	name := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents|unlicense|third.?party)`)
	for _, e := range entries {
		if e.IsDir() || !name.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), ".js") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return c, fmt.Errorf("read licence of %s: %w", c.Name, err)
		}
		c.Texts = append(c.Texts, licenses.Text{File: e.Name(), Text: string(text)})
		for _, m := range licensecheck.Scan(text).Match {
			// That one is a grant of rights beside a licence, and none of SPDX's.
			if !m.IsURL && m.ID != "GooglePatentsFile" && !slices.Contains(c.Licenses, m.ID) {
				c.Licenses = append(c.Licenses, m.ID)
			}
		}
	}
	slices.Sort(c.Licenses)
	return c, nil
}

// check finds what has no licence, or one that is not allowed.
func check(all []licenses.Component) error {
	var bad []error
	for _, c := range all {
		if len(c.Texts) == 0 || len(c.Licenses) == 0 {
			bad = append(bad, fmt.Errorf("%s %s: no licence was found", c.Name, c.Version))
		}
		for _, id := range c.Licenses {
			if !slices.Contains(licenses.Allowed(), id) {
				bad = append(bad, fmt.Errorf("%s %s: licence %s is not among those allowed", c.Name, c.Version, id))
			}
		}
	}
	return errors.Join(bad...)
}
