// Package web is the console: the pages that the operations centre and the field
// team see, built into the program.
//
// # Building
//
// The pages are written in Svelte and TypeScript (src/) and built by Vite into
// dist/, which is embedded here and never committed. Without a built bundle the
// program still compiles, and the console says how to build it: Go's tools need
// no Node.
//
// # Serving
//
// [Handler] answers every path that is not a file with the console's one page:
// which page of the console that is, the browser decides. Files under assets/
// carry a hash of their content in their names and may be kept for ever; the page
// itself and the service worker are asked for again each time, so that a new
// version is seen at once.
package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

//go:generate npm ci
//go:generate npm run build

//go:embed all:dist
var bundle embed.FS

// Options are the console's settings.
type Options struct {
	// MapStyle is the URL of a base map's style in MapLibre's format; empty is the
	// built-in ground, which needs no other server. Its origin, and those of its
	// tiles, must be in the content security policy.
	MapStyle string
}

// Handler serves the console.
func Handler(o Options) http.Handler {
	files, err := fs.Sub(bundle, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path
	}
	return newConsole(files, o)
}

// console serves a bundle.
type console struct {
	files    fs.FS
	settings []byte
	built    bool

	mu     sync.Mutex
	packed map[string][]byte // gzip of files by name
}

func newConsole(files fs.FS, o Options) *console {
	settings, err := json.Marshal(struct {
		MapStyle string `json:"map_style,omitempty"`
	}{o.MapStyle})
	if err != nil {
		panic(err) // a string can always be written
	}
	_, err = fs.Stat(files, "index.html")
	return &console{files: files, settings: settings, built: err == nil, packed: map[string][]byte{}}
}

// ServeHTTP implements http.Handler.
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the console's pages are only read", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	switch {
	case name == "console.json":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write(c.settings) // an error here means that nobody reads any more
	case !c.built:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, notBuilt)
	default:
		c.serve(w, r, name)
	}
}

// serve answers with a file, or with the page for all paths that are none.
func (c *console) serve(w http.ResponseWriter, r *http.Request, name string) {
	content, err := fs.ReadFile(c.files, name)
	if err != nil {
		// A script that is gone must not be answered with a page: an old tab would
		// take the page for the script. A site's id may have a dot, so only names
		// of files of ours are looked at.
		if packs(name) || strings.HasPrefix(name, "assets/") || !strings.Contains(name, "/") && path.Ext(name) != "" {
			http.NotFound(w, r)
			return
		}
		name = "index.html"
		if content, err = fs.ReadFile(c.files, name); err != nil {
			http.Error(w, "the console cannot be read", http.StatusInternalServerError)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if packs(name) && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		packed, err := c.pack(name, content)
		if err != nil {
			http.Error(w, "the console cannot be read", http.StatusInternalServerError)
			return
		}
		h.Set("Content-Encoding", "gzip")
		content = packed
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

// pack compresses a file once.
func (c *console) pack(name string, content []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.packed[name]; ok {
		return p, nil
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	_, err = z.Write(content)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("compress %s: %w", name, err)
	}
	c.packed[name] = b.Bytes()
	return b.Bytes(), nil
}

// packs reports whether a file gets smaller: pictures and fonts are packed.
func packs(name string) bool {
	switch path.Ext(name) {
	case ".html", ".js", ".css", ".svg", ".webmanifest":
		return true
	default:
		return false
	}
}

// contentType does not ask the machine, whose tables differ.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".webmanifest":
		return "application/manifest+json"
	case ".woff2":
		return "font/woff2"
	case ".woff":
		return "font/woff"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

const notBuilt = `<!doctype html>
<html lang="vi">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hải Đăng</title>
<h1>Hải Đăng</h1>
<p>Giao diện chưa được dựng. Hãy chạy <code>make build</code>.
<p lang="en">The console was not built: run <code>make build</code>.
`
