package towline

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// vectorFiles are the files that every port runs; a missing one fails by name.
var vectorFiles = []string{"trace-context", "clock-codec", "clock-order", "clock-scripts", "clock-cut", "clock-tracestate", "clock-v1", "carriers"}

// readVectors reads one file of shared vectors, from the folder TOWLINE_VECTORS or the specification's.
// An unknown field fails, so that no part of a vector is passed over.
func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	folder := os.Getenv("TOWLINE_VECTORS")
	if folder == "" {
		folder = filepath.Join("..", "..", "spec", "vectors")
	}
	file, err := os.Open(filepath.Join(folder, name+".json"))
	if err != nil {
		t.Fatalf("vectors %s: %v", name, err)
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("vectors %s: %v", name, err)
	}
}

// vectorHead are the fields that every file has.
type vectorHead struct {
	Made  string `json:"made"`
	About string `json:"about"`
}

// atLeast fails where a list of vectors is suspiciously short, as a truncated file would make it.
func atLeast(t *testing.T, what string, got, want int) {
	t.Helper()
	if got < want {
		t.Fatalf("%s: %d vectors, expected at least %d", what, got, want)
	}
}

func TestVectorFilesAreAllThere(t *testing.T) {
	for _, name := range vectorFiles {
		var head map[string]any
		readVectors(t, name, &head)
		if head["about"] == "" {
			t.Errorf("vectors %s say nothing about themselves", name)
		}
	}
}
