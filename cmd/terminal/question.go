package terminal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/devices"
)

// CityFlags say which running haidang is asked, and as whom.
type CityFlags struct {
	ClientFlags
}

const (
	AskTime  = time.Minute      // for an ordinary question
	FileTime = 15 * time.Minute // for files: they may be large, and lines slow
)

// Question is what the registry's REST interface is asked.
type Question struct {
	Method string
	Path   string // below /api/v1, escaped
	Query  url.Values
	// Body is sent as JSON; content, if there, as it is.
	Body    any
	Content io.Reader
	Size    int64 // of content
	// Version is the version that was seen, 0 if it does not matter.
	Version int64
	Within  time.Duration
	// Accept is the type of the answer that is wanted; JSON if it is empty.
	Accept string
	// Header is sent besides; as who is logged in by it, no token is.
	Header http.Header
	// About is the device in question, for remedies.
	About string
}

// GetFrom is a question that changes nothing.
func GetFrom(path string, q url.Values) Question {
	return Question{Method: http.MethodGet, Path: path, Query: q, Within: AskTime}
}

// PostTo is an act; body is sent as JSON.
func PostTo(path string, body any) Question {
	return Question{Method: http.MethodPost, Path: path, Body: body, Within: AskTime}
}

// DevicePath is where a device is found.
func DevicePath(id string) string { return "/devices/" + url.PathEscape(id) }

// Ask asks, and decodes the answer into out.
func (f CityFlags) Ask(ctx context.Context, q Question, out any) error {
	var answer bytes.Buffer
	if err := f.Fetch(ctx, q, &answer); err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Bytes(), out); err != nil {
		return fmt.Errorf("read answer of %s: %w: is this a haidang of another version?", Redact(f.URL), err)
	}
	return nil
}

// Fetch asks, and copies the answer to w. What is refused is an error that says
// what to do.
func (f CityFlags) Fetch(ctx context.Context, q Question, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, q.Within)
	defer cancel()
	req, err := f.Request(ctx, q)
	if err != nil {
		return err
	}
	client, err := f.Client()
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return f.Unreached(err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		answer, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // what came of it is told
		return &Refusal{url: Redact(f.URL), Status: res.StatusCode, token: f.Token != "", about: q.About, retry: res.Header.Get("Retry-After"), Problem: readProblem(answer)}
	}
	n, err := io.Copy(w, io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", Redact(f.URL), err)
	}
	if n > maxAnswer {
		return fmt.Errorf("the answer of %s is longer than %d MiB: ask for less with filters", Redact(f.URL), maxAnswer>>20)
	}
	return nil
}

// Unreached is the error where nobody answered.
func (f CityFlags) Unreached(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL, which may have a password
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("--url %s has not answered in time: look at its log, or try again", Redact(f.URL))
	}
	return fmt.Errorf("ask --url %s: %w: %s", Redact(f.URL), err, WhyUnreached(err))
}

// Request makes the HTTP request of a question.
func (f CityFlags) Request(ctx context.Context, q Question) (*http.Request, error) {
	body, kind := q.Content, "application/octet-stream"
	if q.Body != nil {
		b, err := json.Marshal(q.Body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body, kind = bytes.NewReader(b), "application/json"
	}
	address := strings.TrimSuffix(f.URL, "/") + "/api/v1" + q.Path
	if len(q.Query) > 0 {
		address += "?" + q.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, address, body)
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, fmt.Errorf("--url %s is no address: write it like http://127.0.0.1:8080", Redact(f.URL))
	}
	if q.Content != nil {
		req.ContentLength = q.Size
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if q.Accept != "" {
		req.Header.Set("Accept", q.Accept)
	}
	if q.Version > 0 {
		req.Header.Set("If-Match", devices.Device{Version: q.Version}.ETag())
	}
	if q.Header != nil {
		maps.Copy(req.Header, q.Header)
		return req, nil
	}
	if err := f.Authorize(req); err != nil {
		return nil, err
	}
	return req, nil
}
