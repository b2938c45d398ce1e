package scenario

import (
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/simulator"
)

// Description is a shipped scenario in short.
type Description struct {
	Name    string `json:"name"`
	TitleVI string `json:"titleVi"`
	TitleEN string `json:"titleEn"`
	// Start and Length are its time line.
	Start  time.Time     `json:"start"`
	Length time.Duration `json:"length"`
	// Devices is how many there are, Events and Faults how many are listed.
	Devices int `json:"devices"`
	Events  int `json:"events"`
	Faults  int `json:"faults"`
	// MessagesPerSecond is what they send on average when nothing is wrong.
	MessagesPerSecond float64 `json:"messagesPerSecond"`
}

// Describe says in short what a scenario is.
func Describe(s simulator.Scenario) Description {
	d := Description{Name: s.Name, TitleVI: s.TitleVI, TitleEN: s.TitleEN, Start: s.Start, Length: s.End.Sub(s.Start), Events: len(s.Events), Faults: len(s.Faults)}
	d.Devices, d.MessagesPerSecond = s.Load()
	return d
}

// List describes the shipped scenarios.
func List() ([]Description, error) {
	var all []Description
	for _, name := range Names() {
		s, err := Load(name)
		if err != nil {
			return nil, fmt.Errorf("load shipped scenario %s: %w", name, err)
		}
		all = append(all, Describe(s))
	}
	return all, nil
}
