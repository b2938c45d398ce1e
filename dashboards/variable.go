package dashboards

import (
	"fmt"
	"strings"
)

// Variable is what a board's reader chooses.
type Variable struct {
	Name  string
	Label Text
	// Filter is the label or tag that the choice narrows; empty narrows nothing.
	Filter string
	// Choices are what can be chosen; without them the store is asked for the
	// values of Filter.
	Choices []Choice
	// First is the choice that it opens with, unless that is everything.
	First int
	// All offers to choose everything, and several; it is chosen at first.
	All bool
	// Pattern says that a choice is a regular expression and not a name.
	Pattern bool
}

// Choice is one of those that a variable offers.
type Choice struct {
	Name  Text
	Value string
}

// all is what stands for everything.
const all = ".+"

// reference is the variable within a regular expression of either language.
func (v Variable) reference() string {
	if v.Pattern {
		return fmt.Sprintf("${%s:raw}", v.Name)
	}
	return "$" + v.Name
}

// question asks the store for the values of a variable.
func (d Dialect) question(v Variable) string {
	if len(v.Choices) > 0 || v.Filter == "" {
		return ""
	}
	if d.Language == InfluxQL {
		return fmt.Sprintf(`SHOW TAG VALUES FROM "site_state" WITH KEY = %q`, v.Filter)
	}
	return fmt.Sprintf("label_values(site_state_state, %s)", v.Filter)
}

// custom writes choices as Grafana's custom variables have them.
func custom(choices []Choice, l Lang) string {
	out := make([]string, len(choices))
	for i, c := range choices {
		out[i] = strings.ReplaceAll(c.Name.In(l), ",", `\,`) + " : " + strings.ReplaceAll(c.Value, ",", `\,`)
	}
	return strings.Join(out, ", ")
}
