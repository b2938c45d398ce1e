package devices

import (
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Scope is where somebody may change things. The zero Scope is nowhere: whoever
// acts says where, the parts of the process too, so that nothing is done by
// somebody of whom nobody knows what they may do.
type Scope struct {
	All  bool                 // without restriction
	Only []telemetry.Locality // else here
}

// Everywhere is the scope of who has no restriction, of the process itself and of
// who owns the machine.
func Everywhere() Scope { return Scope{All: true} }

// Within is the scope of who may act in some localities only; none is nowhere.
func Within(localities ...telemetry.Locality) Scope { return Scope{Only: slices.Clone(localities)} }

// Nowhere reports whether it was never said where.
func (s Scope) Nowhere() bool { return !s.All && len(s.Only) == 0 }

// Holds reports whether what belongs to a place may be acted on. What belongs to
// the whole city needs a scope without restriction.
func (s Scope) Holds(p Place) bool {
	return s.All || slices.ContainsFunc(p, func(l telemetry.Locality) bool { return slices.Contains(s.Only, l) })
}

// Place is where something belongs: to any of these localities, or, if empty, to
// the whole city.
type Place []telemetry.Locality

// PlaceOf is the place of one locality; "" is the whole city.
func PlaceOf(l telemetry.Locality) Place {
	if l == "" {
		return nil
	}
	return Place{l}
}

// Place is where a device belongs: where it stands; else where it stood last; else
// to those who registered it. So whoever takes a device from its site does not make
// it anybody's. What an unrestricted account registered and has stood nowhere yet is
// the whole city's stock.
func (s Standing) Place() Place {
	if i, ok := lastOf(s.Installations, func(p Placing) Installation { return p.Installation }); ok {
		return PlaceOf(s.Installations[i].Locality)
	}
	return Place(s.Home)
}

// lastOf is the installation among them that has not ended, or else ended last.
func lastOf[T any](all []T, of func(T) Installation) (last int, ok bool) {
	for n := range all {
		i, best := of(all[n]), of(all[last])
		if n == 0 || !best.To.IsZero() && (i.To.IsZero() || i.To.After(best.To)) {
			last = n
		}
	}
	return last, len(all) > 0
}

// Names gives a locality's names, for sentences to people.
type Names func(telemetry.Locality) (vi, en string)

// Outside is the error of acting on what belongs to a place outside a scope. names
// may be nil, and then ids stand for names.
func Outside(what Entity, id string, p Place, s Scope, names Names) *Error {
	if names == nil {
		names = func(l telemetry.Locality) (string, string) { return string(l), string(l) }
	}
	mineVI, mineEN := listed(s.Only, names)
	theirsVI, theirsEN := listed(p, names)
	var e *Error
	switch {
	case s.Nowhere():
		e = fault(Forbidden, "", ReasonNobodyAsks)
	case len(p) == 0 && what == EntityDevice:
		e = fault(Forbidden, "", ReasonInStock, id, mineVI, mineEN)
	case len(p) == 0:
		e = fault(Forbidden, "", ReasonCityWide, what.vi(), id, mineVI, what, mineEN)
	default:
		e = fault(Forbidden, "", ReasonOtherLocality, what.vi(), id, theirsVI, mineVI, what, theirsEN, mineEN)
	}
	return e
}

// listed are the names of localities as a sentence lists them.
func listed(all []telemetry.Locality, names Names) (vi, en string) {
	var vis, ens []string
	for _, l := range all {
		v, e := names(l)
		vis, ens = append(vis, v), append(ens, e)
	}
	return strings.Join(vis, ", "), strings.Join(ens, ", ")
}
