package devices

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of thing went wrong, and so what the caller can do. There
// are five, and one place maps them to HTTP.
type Code string

const (
	// Invalid is input that cannot be accepted as it is: mend it.
	Invalid Code = "invalid"
	// NotFound is something named that is not there.
	NotFound Code = "not_found"
	// Conflict is sound input that contradicts what the registry knows: look at
	// what stands there, then decide.
	Conflict Code = "conflict"
	// Forbidden is sound input about what belongs to a place where whoever asks may
	// not act: ask somebody who may.
	Forbidden Code = "forbidden"
	// Internal is a fault of ours: try again, or look at the log.
	Internal Code = "internal"
)

// Error is one thing wrong with an operation, told to a person in both languages.
type Error struct {
	Code Code `json:"code"`
	// Field is where in the input, as in its JSON: "position.lat", "kinds". Empty
	// where it concerns the whole.
	Field string `json:"field,omitempty"`
	// Reason is a short stable word for programs and translations.
	Reason Reason `json:"reason"`
	VI     string `json:"vi"`
	EN     string `json:"en"`
	// Suggestion is a value that may be meant instead, such as the coordinates
	// the other way round.
	Suggestion string `json:"suggestion,omitempty"`
	// Current is, for a conflict, what the registry has: a Site, Device,
	// Installation, Locality, Profile or [Holder].
	Current any `json:"current,omitempty"`
	// Err is the cause of an internal error. It is for the log, not for people.
	Err error `json:"-"`
}

// Error gives the English sentence.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	b.WriteString(": " + e.EN)
	if e.Suggestion != "" {
		b.WriteString(" [" + e.Suggestion + "]")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause of an internal error.
func (e *Error) Unwrap() error { return e.Err }

// Errors are several things wrong with one input, in the order of its fields, so
// that a form can show all of them at once.
type Errors []*Error

// Error joins the English sentences.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i := range e {
		texts[i] = e[i].Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap lets errors.As and errors.Is look at each.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

// err is nil where nothing is wrong.
func (e Errors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// add appends, and is how validations gather.
func (e *Errors) add(err *Error) {
	if err != nil {
		*e = append(*e, err)
	}
}

// Details lists what is wrong. An error that this package did not make comes
// back as one Internal error, so that a caller always has something to show.
func Details(err error) []*Error {
	if err == nil {
		return nil
	}
	var many Errors
	if errors.As(err, &many) {
		return many
	}
	var one *Error
	if errors.As(err, &one) {
		return []*Error{one}
	}
	return []*Error{internal(err)}
}

// CodeOf is the code of an error: that of its first detail; "" for nil.
func CodeOf(err error) Code {
	if d := Details(err); len(d) > 0 {
		return d[0].Code
	}
	return ""
}

// HasReason reports whether one of an error's details has the reason.
func HasReason(err error, r Reason) bool {
	for _, d := range Details(err) {
		if d.Reason == r {
			return true
		}
	}
	return false
}

// fault makes an error of the given reason; the arguments fill its sentences.
func fault(code Code, field string, reason Reason, args ...any) *Error {
	vi, en := sentences(reason)
	return &Error{Code: code, Field: field, Reason: reason, VI: fill(vi, args), EN: fill(en, args)}
}

// fill fills a template; one that needs no argument is left as it is.
func fill(template string, args []any) string {
	if !strings.Contains(template, "%") {
		return template
	}
	return fmt.Sprintf(template, args...)
}

func invalid(field string, reason Reason, args ...any) *Error {
	return fault(Invalid, field, reason, args...)
}

func conflict(field string, reason Reason, current any, args ...any) *Error {
	e := fault(Conflict, field, reason, args...)
	e.Current = current
	return e
}

// Missing is the error of a [Store] for an entity that it does not have.
func Missing(entity Entity, id string) error {
	return fault(NotFound, "", ReasonNotFound, entity.vi(), id, entity, id)
}

// internal wraps what went wrong below; an error of ours passes unchanged.
func internal(err error) *Error {
	var e *Error
	if errors.As(err, &e) && e.Code == Internal {
		return e
	}
	e = fault(Internal, "", ReasonInternal)
	e.Err = err
	return e
}

// wrapped leaves errors of this package as they are and makes all others
// Internal; "verb object" says what was being done.
func wrapped(what string, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return internal(fmt.Errorf("%s: %w", what, err))
}

// Duplicate is the error of a [Store] for a new entity whose id is taken.
func Duplicate(id string) error { return conflict("id", ReasonDuplicateID, nil, id) }

// Stale is the error of a [Store] for an update of a version that is not there
// any more.
func Stale(seen int64) error { return conflict("version", ReasonStale, nil, seen+1, seen) }
