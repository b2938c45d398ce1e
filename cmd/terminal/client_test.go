package terminal

import "testing"

// TestProblemNamesItsField reads answers of both kinds: with and without a field.
func TestProblemNamesItsField(t *testing.T) {
	for body, want := range map[string]string{
		`{"detail":"validation failed","errors":[{"message":"expected length >= 3","location":"body.why","value":"x"}]}`: "validation failed; why: expected length >= 3",
		`{"detail":"validation failed","errors":[{"message":"unexpected end","location":"body"}]}`:                       "validation failed; unexpected end",
		`{"detail":"no message of this id is in quarantine"}`:                                                            "no message of this id is in quarantine",
		"Not found\n": "Not found",
	} {
		if have := ProblemText([]byte(body)); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
}
