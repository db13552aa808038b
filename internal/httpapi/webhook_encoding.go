package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// hintAtEncoding logs, once a process, that a refused token would fit after
// another URL-decoding: it was put into the URL at Sinch without encoding, so
// that plus signs arrive as spaces, or encoded twice.
func (h *webhook) hintAtEncoding(r *http.Request) {
	if !slices.ContainsFunc(tokenReadings(r), func(token string) bool { return same(token, h.api.Webhook.Token) }) {
		return
	}
	h.encoded.Do(func() {
		h.api.Log.Warn().Msg("receipts are refused: the token in the URL that Sinch has fits only after another URL-decoding;" +
			" encode it as a query value, or choose a SINCH_WEBHOOK_TOKEN of letters and digits")
	})
}

// tokenReadings are the other ways to decode the token of a query: raw, as a
// path, in which a plus sign is literal, and twice.
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
