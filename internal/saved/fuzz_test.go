package saved

import (
	"strings"
	"testing"
)

// FuzzParseRef: what comes back is a key of ours or nothing.
func FuzzParseRef(f *testing.F) {
	f.Add(NewKey("a").Ref())
	f.Add("msg_1a2b-1")
	f.Add(refPrefix)
	f.Fuzz(func(t *testing.T, ref string) {
		key, ok := parseRef(ref)
		if ok && (key.Ref() != ref || len(key) != 2*keyBytes || strings.Trim(string(key), "0123456789abcdefABCDEF") != "") {
			t.Errorf("%q is the reference of %q", ref, key)
		}
	})
}
