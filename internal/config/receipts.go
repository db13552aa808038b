package config

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The path of the webhook for receipts, below SINCH_CALLBACK_URL.
const (
	receiptPath = "/webhooks/sinch/dlr"
	webhookRoot = "/webhooks/sinch"
	tokenName   = "token"
)

// ReceiptURL is the URL for receipts in requests to Sinch; nil:
// SINCH_CALLBACK_URL is not set. It contains the token, so it must not be shown.
func (c *Config) ReceiptURL() *url.URL {
	base, err := url.Parse(string(c.Sinch.CallbackURL))
	if err != nil || c.Sinch.CallbackURL == "" {
		return nil
	}

	receipts := base.JoinPath(receiptPath)
	if token := c.Webhook.Token.Reveal(); token != "" {
		receipts.RawQuery = url.Values{tokenName: {token}}.Encode()
	}
	return receipts
}

// ShownReceiptURL is ReceiptURL without the token, for output.
func (c *Config) ShownReceiptURL() string {
	receipts := c.ReceiptURL()
	if receipts == nil {
		return ""
	}

	shown := *receipts
	shown.RawQuery = ""

	if receipts.RawQuery != "" {
		return shown.String() + "?" + tokenName + "=" + redacted
	}
	return shown.String()
}

// withoutWebhook returns the base of a URL that already has the path of a
// webhook; ok is false when it has none.
func withoutWebhook(written *url.URL) (base string, ok bool) {
	at := strings.Index(strings.ToLower(written.Path), webhookRoot)
	if at < 0 {
		return "", false
	}

	right := url.URL{Scheme: written.Scheme, Host: written.Host, Path: strings.TrimRight(written.Path[:at], "/")}
	return right.String(), true
}

var urlSafe = regexp.MustCompile(`^[A-Za-z0-9._~-]*$`)

// checkToken refuses a token that would have to be encoded in a URL: copied into
// Sinch's settings without encoding, no receipt would match it.
func (c *Config) checkToken(problems *problems) {
	if !urlSafe.MatchString(c.Webhook.Token.Reveal()) {
		problems.add("must be URL-safe, letters, digits and - . _ ~ only, since it stands in a URL; openssl rand -hex 32 makes a good one",
			"SINCH_WEBHOOK_TOKEN")
	}
}

// InsideOnly reports whether a host belongs to a private network: a name without
// dots or under a reserved domain (RFC 6761, RFC 6762, ICANN's .internal), or a
// private address.
func InsideOnly(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsUnspecified()
	}

	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return !strings.Contains(host, ".") ||
		slices.ContainsFunc([]string{".localhost", ".local", ".internal", ".test", ".example", ".invalid"},
			func(domain string) bool { return strings.HasSuffix(host, domain) })
}

// CallbackInside reports whether Sinch cannot reach SINCH_CALLBACK_URL. A
// simulator in the same network can.
func (c *Config) CallbackInside() bool {
	callback, err := url.Parse(string(c.Sinch.CallbackURL))
	if err != nil || callback.Host == "" || !InsideOnly(callback.Hostname()) {
		return false
	}

	sinch, err := url.Parse(string(c.Sinch.BaseURL))
	return err != nil || sinch.Host == "" || !InsideOnly(sinch.Hostname())
}
