package towline

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Every case of spec/cases/hosts.json.
func TestClocksGoWhereEveryPortLetsThemGo(t *testing.T) {
	text, err := os.ReadFile("../../spec/cases/hosts.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			PropagateTo string `json:"propagate_to"`
			Host        string
			Allowed     bool
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		list := nearby()
		for entry := range strings.SplitSeq(c.PropagateTo, ",") {
			if entry = strings.TrimSpace(entry); entry != "" && !list.add(entry) {
				t.Errorf("entry %q is refused", entry)
			}
		}
		if got := list.holds(c.Host); got != c.Allowed {
			t.Errorf("%q with %q: %v, want %v", c.Host, c.PropagateTo, got, c.Allowed)
		}
	}
}
