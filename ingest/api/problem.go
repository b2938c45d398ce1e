package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Problem is why a request was refused, as problem details (RFC 9457) in both languages.
type Problem struct {
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Code   string  `json:"code" doc:"A stable word: too_many_messages, journal_full, not_its_topic, …" example:"journal_full"`
	Detail string  `json:"detail" doc:"In English"`
	VI     string  `json:"detail_vi" doc:"In Vietnamese"`
	Errors []Fault `json:"errors,omitempty" doc:"Of a batch: why each message was refused"`

	retry time.Duration
}

// Fault is one thing that is wrong.
type Fault struct {
	Field string `json:"field,omitempty" doc:"Where in the request: messages[3]"`
	Code  string `json:"code" doc:"A stable word"`
	VI    string `json:"vi"`
	EN    string `json:"en"`
}

// Error implements error with the English sentence.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.retry/time.Second)))
	}
	return h
}

// Forbidden is the problem of who may not send to a topic.
func Forbidden(code, vi, en string) *Problem {
	p := problem(http.StatusForbidden, code, vi, en)
	p.Errors = []Fault{{Field: "topic", Code: code, VI: vi, EN: en}}
	return p
}

func problem(status int, code, vi, en string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, VI: vi, Detail: en}
}

// after says when another attempt makes sense.
func (p *Problem) after(wait time.Duration) *Problem {
	p.retry = wait
	return p
}

// with adds what is wrong with one of several; the first is what is wrong with all.
func (p *Problem) with(one *Problem, field string) *Problem {
	if p == nil {
		p = problem(one.Status, one.Code, one.VI, one.Detail)
	}
	p.Errors = append(p.Errors, Fault{Field: field, Code: one.Code, VI: one.VI, EN: one.Detail})
	return p
}

// asProblem is an error of this package; any other is what its status says.
func asProblem(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return problem(http.StatusInternalServerError, "internal", "Lỗi trong hệ thống; hãy thử lại.", err.Error())
}
