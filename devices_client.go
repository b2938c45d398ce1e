package main

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

// deviceFlags say which running haidang is asked, and as whom.
type deviceFlags struct {
	clientFlags
}

const (
	askTime  = time.Minute      // for an ordinary question
	fileTime = 15 * time.Minute // for files: they may be large, and lines slow
)

// question is what the registry's REST interface is asked.
type question struct {
	method string
	path   string // below /api/v1, escaped
	query  url.Values
	// body is sent as JSON; content, if there, as it is.
	body    any
	content io.Reader
	size    int64 // of content
	// version is the version that was seen, 0 if it does not matter.
	version int64
	within  time.Duration
	// accept is the type of the answer that is wanted; JSON if it is empty.
	accept string
	// header is sent besides; as who is logged in by it, no token is.
	header http.Header
	// about is the device in question, for remedies.
	about string
}

// getFrom is a question that changes nothing.
func getFrom(path string, q url.Values) question {
	return question{method: http.MethodGet, path: path, query: q, within: askTime}
}

// postTo is an act; body is sent as JSON.
func postTo(path string, body any) question {
	return question{method: http.MethodPost, path: path, body: body, within: askTime}
}

// devicePath is where a device is found.
func devicePath(id string) string { return "/devices/" + url.PathEscape(id) }

// deviceAct is an act on a device.
func deviceAct(id, act string, seen seenFlag, body any) question {
	q := postTo(devicePath(id)+"/"+act, body)
	q.version, q.about = seen.IfVersion, id
	return q
}

// ask asks, and decodes the answer into out.
func (f deviceFlags) ask(ctx context.Context, q question, out any) error {
	var answer bytes.Buffer
	if err := f.fetch(ctx, q, &answer); err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Bytes(), out); err != nil {
		return fmt.Errorf("read answer of %s: %w: is this a haidang of another version?", redact(f.URL), err)
	}
	return nil
}

// fetch asks, and copies the answer to w. What is refused is an error that says
// what to do.
func (f deviceFlags) fetch(ctx context.Context, q question, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, q.within)
	defer cancel()
	req, err := f.request(ctx, q)
	if err != nil {
		return err
	}
	client, err := f.client()
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return f.unreached(err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		answer, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // what came of it is told
		return &refusal{url: redact(f.URL), status: res.StatusCode, token: f.Token != "", about: q.about, retry: res.Header.Get("Retry-After"), problem: readProblem(answer)}
	}
	n, err := io.Copy(w, io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", redact(f.URL), err)
	}
	if n > maxAnswer {
		return fmt.Errorf("the answer of %s is longer than %d MiB: ask for less with filters", redact(f.URL), maxAnswer>>20)
	}
	return nil
}

// unreached is the error where nobody answered.
func (f deviceFlags) unreached(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL, which may have a password
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("--url %s has not answered in time: look at its log, or try again", redact(f.URL))
	}
	return fmt.Errorf("ask --url %s: %w: %s", redact(f.URL), err, whyUnreached(err))
}

// request makes the HTTP request of a question.
func (f deviceFlags) request(ctx context.Context, q question) (*http.Request, error) {
	body, kind := q.content, "application/octet-stream"
	if q.body != nil {
		b, err := json.Marshal(q.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body, kind = bytes.NewReader(b), "application/json"
	}
	address := strings.TrimSuffix(f.URL, "/") + "/api/v1" + q.path
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.method, address, body)
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, fmt.Errorf("--url %s is no address: write it like http://127.0.0.1:8080", redact(f.URL))
	}
	if q.content != nil {
		req.ContentLength = q.size
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if q.accept != "" {
		req.Header.Set("Accept", q.accept)
	}
	if q.version > 0 {
		req.Header.Set("If-Match", devices.Device{Version: q.version}.ETag())
	}
	if q.header != nil {
		maps.Copy(req.Header, q.header)
		return req, nil
	}
	if err := f.authorize(req); err != nil {
		return nil, err
	}
	return req, nil
}
