package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// An operator slows all workers down and lets them go on, with reasons that the audit
// keeps. A viewer cannot, and no pace out of bounds is taken.
func TestPaceIsChanged(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	wantAll(t, c.page("operator", "/console/").body, "/console/pace", "Change pace")
	wantAll(t, c.page("operator", "/console/pace").body, "The pace in force is 10 per second", `name="rate"`)
	if a := c.confirm("operator", "/console/pace", "Sinch asked us to slow down"); a.code != http.StatusSeeOther {
		t.Fatalf("%d\n%s", a.code, a.body)
	}
	wantAll(t, c.get("viewer", "/console/status.json").body, `"rate":{"perSecond":5,"source":"operator"`)
	wantAll(t, c.page("viewer", "/console/audit").body, "rate.set", "Sinch asked us to slow down")

	for rate, reason := range map[string]string{"-1": "r", "fast": "r", "NaN": "r", "7": ""} {
		a := c.do("operator", http.MethodPost, "/console/pace", url.Values{"rate": {rate}, "reason": {reason}})
		if a.code != http.StatusBadRequest || !strings.Contains(a.body, `role="alert"`) {
			t.Errorf("pace %q with reason %q: %d", rate, reason, a.code)
		}
	}
	for _, path := range []string{"/console/pace", "/console/pace/reset"} {
		if a := c.do("viewer", http.MethodPost, path, url.Values{"rate": {"7"}, "reason": {"r"}}); a.code != http.StatusForbidden {
			t.Errorf("a viewer: %d from %s", a.code, path)
		}
	}

	wantAll(t, c.page("operator", "/console/").body, "/console/pace/reset", "Reset pace")
	if a := c.do("operator", http.MethodPost, "/console/pace/reset", url.Values{"reason": {""}}); a.code != http.StatusBadRequest {
		t.Errorf("a reset without a reason: %d", a.code)
	}
	if a := c.confirm("operator", "/console/pace/reset", "Sinch is well again"); a.code != http.StatusSeeOther {
		t.Fatalf("%d\n%s", a.code, a.body)
	}
	wantAll(t, c.get("viewer", "/console/status.json").body, `"rate":{"perSecond":10,"source":"SINCH_RATE"`)
	if strings.Contains(c.page("operator", "/console/").body, "Reset pace") {
		t.Error("a pace that is not set can be reset")
	}
}
