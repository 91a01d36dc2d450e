package towline

import "testing"

func TestStringsOfStrictJSON(t *testing.T) {
	for text, want := range map[string]string{
		`""`: "", `"a\"\\\/\b\f\n\r\t"`: "a\"\\/\b\f\n\r\t", `"\u00e9\uD83D\uDE00\u0000"`: "é😀\x00", " \t\n\r\"é\" ": "é",
	} {
		if v, ok := parseJSON([]byte(text)); !ok || v.kind != jsonString || v.text != want {
			t.Errorf("%s: %q, %t", text, v.text, ok)
		}
	}
	for _, text := range []string{
		``, `"`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\ud800"`, `"\ud800\n"`, `"\ud800\u0041"`, `"\udc00"`, "\"\x01\"", "\"\xff\"", `'a'`, "\ufeff\"\"",
		`[`, `[1`, `[1,`, `[1,]`, `[1 2]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{1:1}`, `tru`, `nul`, `falsy`, `+1`, `01`, `1.`, `.5`, `1e`, `1e+`, `-`,
		`1e999`, `NaN`, `Infinity`, `1 2`, `[] x`,
	} {
		if v, ok := parseJSON([]byte(text)); ok {
			t.Errorf("%q is accepted as %+v", text, v)
		}
	}
}

func TestLastOfEqualNamesCounts(t *testing.T) {
	v, ok := parseJSON([]byte(`{"a":1,"A":2,"a":[3,{"b":false}]}`))
	if !ok || v.member("a").kind != jsonArray || v.member("A").text != "2" || v.member("x") != nil {
		t.Errorf("%+v, %t", v, ok)
	}
}
