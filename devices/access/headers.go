package access

import (
	"net/http"
	"strings"
)

// Headers are what browsers are told about the console.
type Headers struct {
	// Tiles are origins of map tiles, styles and glyphs, such as
	// https://tiles.example.org; none where the map is the built-in ground.
	Tiles []string
	// Encrypted tells browsers to come by https only, for half a year.
	Encrypted bool
}

// Wrap adds the headers to every answer of a handler. Scripts come from this
// origin alone and never from within a page, so that script in a site's name
// stays text even where a page forgets to escape it.
func (h Headers) Wrap(next http.Handler) http.Handler {
	policy := h.policy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := w.Header()
		k.Set("Content-Security-Policy", policy)
		k.Set("X-Content-Type-Options", "nosniff")
		k.Set("X-Frame-Options", "DENY")
		k.Set("Referrer-Policy", "same-origin")
		k.Set("Cross-Origin-Opener-Policy", "same-origin")
		k.Set("Cross-Origin-Resource-Policy", "same-origin")
		k.Set("Permissions-Policy", "camera=(self), geolocation=(self), microphone=(), payment=(), usb=()")
		if h.Encrypted {
			k.Set("Strict-Transport-Security", "max-age=15552000")
		}
		next.ServeHTTP(w, r)
	})
}

func (h Headers) policy() string {
	tiles := ""
	for _, t := range h.Tiles {
		if t != "" && !strings.ContainsAny(t, " ;,'\"\r\n\t") {
			tiles += " " + t
		}
	}
	return strings.Join([]string{
		"default-src 'self'",
		"script-src 'self'",
		"style-src 'self' 'unsafe-inline'", // uPlot and MapLibre set styles on their elements
		"img-src 'self' data: blob:" + tiles,
		"connect-src 'self'" + tiles,
		"font-src 'self'",
		"worker-src 'self' blob:", // MapLibre's workers
		"manifest-src 'self'",
		"media-src 'self' blob:", // the camera
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; ")
}
