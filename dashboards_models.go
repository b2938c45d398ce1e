package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// boardSource is the uid of the data source that boards refer to.
const boardSource = "haidang"

// boardFlags say which boards.
type boardFlags struct {
	Lang   string `enum:"vi,en" default:"vi" help:"Language of the boards: vi or en. Each has boards and a folder of its own." placeholder:"vi"`
	Models string `required:"" type:"existingdir" help:"Folder of the boards' models (JSON); those whose uid holds -wall are shown on the wall, in order of their names." placeholder:"DIR"`
}

// suffix is what the language adds to uids.
func (f boardFlags) suffix() string {
	if f.Lang == "en" {
		return "-en"
	}
	return ""
}

// wallName is what the playlist is called after its folder.
func (f boardFlags) wallName() string {
	if f.Lang == "en" {
		return " – wall"
	}
	return " – màn hình lớn"
}

// models are the boards, and the uids of those that a wall shows in turn.
func (f boardFlags) models(context.Context, string) (models [][]byte, wall []string, err error) {
	files, err := filepath.Glob(filepath.Join(f.Models, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, nil, fmt.Errorf("--models %s has no *.json in it", f.Models)
	}
	slices.Sort(files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, fmt.Errorf("read board: %w", err)
		}
		models = append(models, text)
		if ok, _ := filepath.Match("*-wall*.json", filepath.Base(file)); ok {
			name := filepath.Base(file)
			wall = append(wall, name[:len(name)-len(".json")])
		}
	}
	return models, wall, nil
}
