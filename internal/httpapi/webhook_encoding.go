package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// hintAtEncoding logs, once a process, that a refused token would fit if the URL
// that Sinch has were encoded as a URL: a token that was pasted into it as it is,
// so that its plus signs arrive as spaces, or one that was encoded twice.
func (h *webhook) hintAtEncoding(r *http.Request) {
	if !slices.ContainsFunc(tokenReadings(r), func(token string) bool { return same(token, h.api.Webhook.Token) }) {
		return
	}
	h.encoded.Do(func() {
		h.api.Log.Warn().Msg("receipts are refused: the token in the URL that Sinch has fits only after another URL-decoding;" +
			" encode it as a query value, or choose a SINCH_WEBHOOK_TOKEN of letters and digits")
	})
}

// tokenReadings are the other ways to read the token of a query: as it stands,
// decoded as a path, where a plus sign is itself, and decoded twice.
func tokenReadings(r *http.Request) []string {
	var all []string
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, raw, _ := strings.Cut(pair, "=")
		if name != "token" {
			continue
		}
		all = append(all, raw)
		if path, err := url.PathUnescape(raw); err == nil {
			all = append(all, path)
		}
		once, err := url.QueryUnescape(raw)
		if err != nil {
			continue
		}
		for _, decode := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
			if twice, err := decode(once); err == nil {
				all = append(all, twice)
			}
		}
	}
	return all
}
