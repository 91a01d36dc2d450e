package towline

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goFence    = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	markedForG = regexp.MustCompile("(?ms)^<!-- run: go -->\n```[a-z]*\n(.*?)^```$")
)

// snippets are the Go snippets of our README, and those of the repository's that are marked for Go.
func snippets(t *testing.T) []string {
	t.Helper()
	own, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, match := range goFence.FindAllSubmatch(own, -1) {
		out = append(out, string(match[1]))
	}
	if len(out) < 3 {
		t.Fatalf("%d snippets in README.md", len(out))
	}
	shared, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if os.IsNotExist(err) {
		return out
	} else if err != nil {
		t.Fatal(err)
	}
	for _, match := range markedForG.FindAllSubmatch(shared, -1) {
		out = append(out, string(match[1]))
	}
	return out
}

// TestReadmeSnippetsRun builds and runs every snippet as a program of its own.
func TestReadmeSnippetsRun(t *testing.T) {
	sdk, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for i, snippet := range snippets(t) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			folder := t.TempDir()
			write := func(name, text string) {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("go.mod", "module snippet\n\ngo 1.24\n\nrequire towline.invalid/go v0.1.0\n\nreplace towline.invalid/go => "+sdk+"\n")
			write("main.go", program(snippet))
			var output bytes.Buffer
			run := exec.CommandContext(t.Context(), "go", "run", ".")
			run.Dir, run.Stdout, run.Stderr = folder, &output, &output
			if err := run.Run(); err != nil {
				t.Errorf("%v\n%s\n%s", err, snippet, &output)
			}
		})
	}
}

// program makes a snippet whole: with the imports that it uses and, for statements, a main function
// and a server called stock.
func program(snippet string) string {
	if strings.HasPrefix(snippet, "package ") {
		return snippet
	}
	body := snippet
	if strings.Contains(body, "stock.URL") {
		body = "stock := httptest.NewServer(http.NotFoundHandler())\ndefer stock.Close()\n" + body
	}
	var imports strings.Builder
	for name, path := range map[string]string{
		"context": "context", "fmt": "fmt", "http": "net/http", "httptest": "net/http/httptest", "io": "io", "log": "log", "os": "os",
		"towline": "towline.invalid/go", "errors": "errors", "time": "time", "sync": "sync", "slog": "log/slog",
	} {
		if regexp.MustCompile(`\b` + name + `\.`).MatchString(body) {
			fmt.Fprintf(&imports, "import %s %q\n", name, path)
		}
	}
	return "package main\n\n" + imports.String() + "\nfunc main() {\n" + body + "}\n"
}
