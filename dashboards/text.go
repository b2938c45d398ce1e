package dashboards

import "fmt"

// Lang is a language of boards.
type Lang string

// The languages.
const (
	Vietnamese Lang = "vi"
	English    Lang = "en"
)

// Text is what people read, in both languages.
type Text struct{ VI, EN string }

// same is a text that is the same in both languages: a symbol, a formula.
func same(s string) Text { return Text{s, s} }

// In is the text in a language.
func (t Text) In(l Lang) string {
	if l == English {
		return t.EN
	}
	return t.VI
}

// IsZero reports whether there is no text.
func (t Text) IsZero() bool { return t.VI == "" && t.EN == "" }

// Plus puts a text behind another, with something between that needs no
// translation. Nothing is put behind nothing.
func (t Text) Plus(between string, o Text) Text {
	switch {
	case t.IsZero():
		return o
	case o.IsZero():
		return t
	}
	return Text{t.VI + between + o.VI, t.EN + between + o.EN}
}

// textf fills values that need no translation into a text.
func textf(t Text, args ...any) Text {
	return Text{fmt.Sprintf(t.VI, args...), fmt.Sprintf(t.EN, args...)}
}
