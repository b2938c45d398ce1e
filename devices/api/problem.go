package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/devices"
)

// Error implements error with the English sentences.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	return h
}

// problem makes an error without details.
func problem(status int, code, vi, en string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: en, VI: vi}
}

// invalidField is a fault of the input that devices does not know of.
func invalidField(field, code, vi, en string) *Problem {
	p := problem(http.StatusUnprocessableEntity, string(devices.Invalid), vi, en)
	p.Errors = []Fault{{Field: field, Code: code, VI: vi, EN: en}}
	return p
}

// unavailable is a port that is not there.
func unavailable(vi, en string) *Problem {
	return problem(http.StatusServiceUnavailable, "unavailable", vi, en)
}

// fail is the one place where an error becomes an answer.
func (a *API) fail(ctx context.Context, err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	details := devices.Details(err)
	status, code := statusOf(details[0])
	p = &Problem{Title: http.StatusText(status), Status: status, Code: code}
	var vi, en []string
	for _, d := range details {
		f := a.faultOf(d)
		p.Errors = append(p.Errors, f)
		vi, en = append(vi, f.VI), append(en, f.EN)
	}
	p.VI, p.Detail = strings.Join(vi, " "), strings.Join(en, " ")
	if status == http.StatusInternalServerError && ctx.Err() == nil {
		a.Logger.Error("cannot answer a request", "error", err)
	}
	return p
}

// statusOf maps the codes of devices to HTTP's.
func statusOf(e *devices.Error) (status int, code string) {
	switch {
	case e.Reason == devices.ReasonVersionRequired:
		return http.StatusPreconditionRequired, "precondition_required"
	case e.Reason == devices.ReasonStale:
		return http.StatusPreconditionFailed, "stale"
	case e.Code == devices.Invalid:
		return http.StatusUnprocessableEntity, string(e.Code)
	case e.Code == devices.NotFound:
		return http.StatusNotFound, string(e.Code)
	case e.Code == devices.Forbidden:
		return http.StatusForbidden, string(e.Code)
	case e.Code == devices.Conflict:
		return http.StatusConflict, string(e.Code)
	default:
		return http.StatusInternalServerError, string(devices.Internal)
	}
}

// faultOf is an error of devices as it travels.
func (a *API) faultOf(e *devices.Error) Fault {
	return Fault{Field: fieldOf(e.Field), Code: string(e.Reason), VI: e.VI, EN: e.EN, Suggestion: e.Suggestion, Current: a.currentOf(e.Current)}
}

// fieldOf is the name of a field here: devices spells it as its own JSON does.
func fieldOf(field string) string {
	switch field {
	case "request":
		return "request_id"
	case "version":
		return "If-Match"
	}
	var b strings.Builder
	for _, r := range field {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// currentOf is what stands in the way, as this interface shows it.
func (a *API) currentOf(v any) any {
	switch v := v.(type) {
	case devices.Site:
		return siteOf(v)
	case devices.Device:
		return deviceOf(v)
	case devices.Installation:
		return installationOf(v)
	case devices.Limit:
		return a.limitOf(v)
	case devices.Holder:
		h := Holder{Device: deviceOf(v.Device), Who: v.Who, At: v.At}
		if v.Installation != nil {
			i := installationOf(*v.Installation)
			h.Installation = &i
		}
		if v.Site != nil {
			s := siteOf(*v.Site)
			h.Site = &s
		}
		return h
	default:
		return nil
	}
}

// problemTransformer brings the errors that huma makes, of input that is not of
// the documented form, into the same form as all others.
func problemTransformer(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(e.Status, "invalid", "Yêu cầu không đúng dạng.", e.Detail)
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		p.Code, p.VI = "too_large", "Nội dung gửi quá lớn."
	case http.StatusInternalServerError:
		p.Code, p.VI = "internal", "Lỗi trong hệ thống; hãy thử lại."
	}
	for _, d := range e.Errors {
		field := strings.TrimPrefix(strings.TrimPrefix(d.Location, "body."), "query.")
		p.Errors = append(p.Errors, Fault{Field: field, Code: "bad_form", VI: "Không đúng dạng.", EN: d.Message})
	}
	return p, nil
}
